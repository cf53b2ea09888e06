"""Registration as the person at the VMM server sees it: questions, messages, exit status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final, Protocol

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.registration_pb2 import VmmServer

from agent.exit_codes import ExitCode
from agent.failures import CommandError
from agent.identity import Identity, IdentityError, NotRegisteredError, load_identity
from agent.journal.state_lock import AlreadyRunningError, StateLock
from agent.powershell.errors import PowerShellError
from agent.powershell.failures import to_failure
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.powershell.records import PropertyError
from agent.registration import (
    Applicant,
    CoordinatorUnreachableError,
    Registrar,
    RegistrationRefusedError,
    call_coordinator,
    register,
)
from agent.registration_key import RegistrationKey, RegistrationKeyError, read_registration_key
from agent.state_folder import StateFolder
from agent.version import agent_version
from agent.vmm_server import read_vmm_server

_EXIT_CODES: Final[Mapping[type[CommandError], ExitCode]] = {
    RegistrationKeyError: ExitCode.KEY_UNUSABLE,
    RegistrationRefusedError: ExitCode.REFUSED,
    CoordinatorUnreachableError: ExitCode.UNREACHABLE,
}


class Say(Protocol):
    """Prints a line; `err` for standard error. `typer.echo` is one."""

    def __call__(self, message: str, *, err: bool = False) -> None: ...


@dataclass(frozen=True)
class RegisterOptions:
    """What `osr-agent register` was called with.

    Attributes:
        key_file: The registration key.
        folder: The agent's state.
        ask_vmm: Reads what VMM says about itself; the real one is `ask_vmm_server`.
        friendly_name: None for the VMM server's FQDN.
        synchronize_all_clouds: Whether every cloud's metadata goes to the vault.
        again: Whether an identity may be replaced.
        confirm: Asks a question; None not to ask.
    """

    key_file: Path
    folder: StateFolder
    ask_vmm: Callable[[], Awaitable[VmmServer]]
    friendly_name: str | None
    synchronize_all_clouds: bool
    again: bool
    confirm: Callable[[str], bool] | None


async def register_interactively(
    options: RegisterOptions, say: Say, registrar: Registrar = call_coordinator
) -> ExitCode:
    """Reads the key, asks, registers, says what came of it.

    Idempotent: may be repeated after any end; see `agent.registration.register`.
    """
    try:
        lock = StateLock(options.folder.lock)
    except AlreadyRunningError:
        say("The agent is running with this state folder. Stop it first.", err=True)
        return ExitCode.ALREADY_RUNNING
    try:
        return await _under_lock(options, say, registrar)
    finally:
        lock.release()


async def _under_lock(options: RegisterOptions, say: Say, registrar: Registrar) -> ExitCode:
    try:
        if (present := _present(options.folder)) is not None and not options.again:
            say(f"This server is already registered: {present}. Use --again to replace it.")
            return ExitCode.ALREADY_REGISTERED
        key = read_registration_key(options.key_file.read_bytes())
        if not _confirmed(options, key, say):
            say("Nothing was done.")
            return ExitCode.DECLINED
        identity = await _register(options, key, registrar)
    except tuple(_EXIT_CODES) as error:
        return _tell(say, error.failure, _EXIT_CODES[type(error)])
    except (PowerShellError, PropertyError) as error:
        return _tell(say, to_failure(error), ExitCode.POWERSHELL_UNUSABLE)
    say(f"Registered: {_described(identity)}.")
    return ExitCode.OK


async def _register(
    options: RegisterOptions, key: RegistrationKey, registrar: Registrar
) -> Identity:
    vmm_server = await options.ask_vmm()
    applicant = Applicant(
        friendly_name=options.friendly_name or vmm_server.fqdn,
        vmm_server=vmm_server,
        agent_version=agent_version(),
        synchronize_all_clouds=options.synchronize_all_clouds,
    )
    return await register(options.folder, key, applicant, registrar)


async def ask_vmm_server(powershell: Sequence[str], vmm_server: str) -> VmmServer:
    """Starts PowerShell for one question.

    Args:
        powershell: The program that speaks PSRP, with its arguments.
        vmm_server: Name of the VMM server or cluster role.

    Raises:
        PowerShellError, PropertyError: See `read_vmm_server`.
    """
    pool = PowerShellPool(powershell, max_runspaces=1)
    try:
        return await read_vmm_server(pool.for_command(NO_COMMAND), vmm_server)
    finally:
        await pool.close()


def _present(folder: StateFolder) -> str | None:
    try:
        return _described(load_identity(folder.identity))
    except NotRegisteredError:
        return None
    except IdentityError:
        return "with an identity that cannot be read"


def _confirmed(options: RegisterOptions, key: RegistrationKey, say: Say) -> bool:
    say(f"Vault:        {key.vault}")
    say(f"Coordinator:  {key.endpoint}")
    say(f"Its CA:       SHA-256 {key.ca_fingerprint}")
    expires_at = key.expires_at.astimezone(UTC)
    say(f"Key expires:  {expires_at:%Y-%m-%d %H:%M} UTC (the coordinator's clock decides)")
    if options.confirm is None:
        return True
    return options.confirm(f"Register this server with the vault {key.vault!r}?")


def _described(identity: Identity) -> str:
    return (
        f"vault {identity.vault_name}, as {identity.friendly_name}, provider {identity.provider_id}"
    )


def _tell(say: Say, failure: Failure, code: ExitCode) -> ExitCode:
    """Prints a failure with all its parts."""
    say(f"{failure.code}: {failure.message}", err=True)
    if failure.possible_causes:
        say("Possible causes:", err=True)
    for cause in failure.possible_causes:
        say(f"  - {cause}", err=True)
    if failure.recommended_action:
        say(f"Recommended action: {failure.recommended_action}", err=True)
    return code
