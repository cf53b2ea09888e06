"""The commands `osr-agent copy`: what the copies here may do, and releasing one by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from agent.clock import utc_now
from agent.exit_codes import ExitCode
from agent.failures import CommandError
from agent.identity import IdentityError, load_identity
from agent.journal.database import Database, JournalError
from agent.journal.host_keys import HostKeyStore
from agent.journal.roles import CopyRole, KnownCopy, RoleStore
from agent.powershell.errors import PowerShellError
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.registering import Say
from agent.roles.by_hand import ByHand, shown
from agent.state_folder import StateFolder

WARNING = (
    "{vm_id} on {host} is {role} (epoch {epoch}): as far as this server knows, its other copy is "
    "the machine. If that one runs, both will, on production networks. Release it?"
)


def print_copies(folder: StateFolder, say: Say, *, as_json: bool) -> ExitCode:
    """Prints what the coordinator said last of each copy here."""
    try:
        database = _open(folder)
    except (IdentityError, JournalError) as error:
        say(str(error), err=True)
        return ExitCode.FAILED
    try:
        rows = [shown(copy) for copy in RoleStore(database).copies() if copy.assigned]
    finally:
        database.close()
    if as_json:
        say(json.dumps(rows))
        return ExitCode.OK
    for row in rows:
        say("  ".join(f"{name} {value}" for name, value in row.items()))
    return ExitCode.OK


def release_copy(
    folder: StateFolder,
    vm_id: str,
    powershell: tuple[str, ...],
    say: Say,
    confirm: Callable[[str], bool] | None,
    *,
    start: bool,
) -> ExitCode:
    """Releases a machine's copies here; works while the agent runs, and without a coordinator.

    Args:
        folder: The agent's.
        vm_id: Hyper-V's id of the machine.
        powershell: How PowerShell is started.
        say: Tells the person.
        confirm: Asks before a copy that is not the machine is released; None: without asking.
        start: Also start the copy.
    """
    try:
        database = _open(folder)
    except (IdentityError, JournalError) as error:
        say(str(error), err=True)
        return ExitCode.FAILED
    try:
        copies = [copy for copy in RoleStore(database).of_machine(vm_id) if copy.assigned]
        if not copies:
            say(f"No protected machine {vm_id} is known here: osr-agent copy list.", err=True)
            return ExitCode.FAILED
        for copy in copies:
            if copy.role is not CopyRole.ACTIVE and confirm is not None:
                question = WARNING.format(
                    vm_id=copy.vm_id, host=copy.host, role=copy.role.value, epoch=copy.epoch
                )
                if not confirm(question):
                    return ExitCode.DECLINED
        return asyncio.run(_release(copies, database, powershell, say, start=start))
    finally:
        database.close()


async def _release(
    copies: list[KnownCopy],
    database: Database,
    powershell: tuple[str, ...],
    say: Say,
    *,
    start: bool,
) -> ExitCode:
    pool = PowerShellPool(powershell)
    by_hand = ByHand(
        pool.for_command(NO_COMMAND), HostKeyStore(database, utc_now), RoleStore(database), utc_now
    )
    try:
        for copy in copies:
            await by_hand.release(copy, start=start)
            say(f"{copy.vm_id} on {copy.host} is released{' and started' if start else ''}.")
    except CommandError as error:
        say(f"{error.failure.message} {error.failure.recommended_action}", err=True)
        return ExitCode.FAILED
    except PowerShellError as error:
        say(str(error), err=True)
        return ExitCode.POWERSHELL_UNUSABLE
    finally:
        await pool.close()
    return ExitCode.OK


def _open(folder: StateFolder) -> Database:
    path: Path = folder.journal(load_identity(folder.identity).provider_id)
    return Database(path)
