"""The command `osr-agent`: register, run, status."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from agent.clock import utc_now
from agent.configuration import (
    STATE_VARIABLE,
    ConfigurationError,
    powershell_command,
    script_library_path,
)
from agent.copy_commands import print_copies, release_copy
from agent.exit_codes import ExitCode
from agent.identity import IdentityError
from agent.journal.database import JournalError
from agent.journal.state_lock import AlreadyRunningError
from agent.registering import RegisterOptions, ask_vmm_server, register_interactively
from agent.running import AgentSettings, run_agent, stop_on_signals
from agent.state_folder import StateFolder, default_state_folder
from agent.status import print_status

app = typer.Typer(
    name="osr-agent",
    help="The Open Site Recovery provider: registers a VMM server with a vault and serves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

copy_app = typer.Typer(
    no_args_is_help=True, help="Copies of protected machines here: which may run, and by hand."
)
app.add_typer(copy_app, name="copy")

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar=STATE_VARIABLE,
        help="Folder of the agent's identity and journal.",
        file_okay=False,
    ),
]
PowerShellOption = Annotated[
    str | None,
    typer.Option(
        "--powershell",
        metavar="COMMAND LINE",
        help="Program that speaks PSRP over its standard streams. Also OSR_AGENT_POWERSHELL, or"
        " `powershell` in agent.toml. Default: powershell.exe -NoLogo -NoProfile -s",
    ),
]
VmmServerOption = Annotated[
    str, typer.Option("--vmm-server", help="Name of the VMM server or VMM cluster role.")
]


@app.command()
def register(  # noqa: PLR0913, PLR0917 (typer makes an option of each argument)
    key: Annotated[
        Path,
        typer.Option("--key", help="The registration key file.", exists=True, dir_okay=False),
    ],
    friendly_name: Annotated[
        str | None,
        typer.Option(
            "--friendly-name", help="Name shown in the vault. Default: the VMM server's FQDN."
        ),
    ] = None,
    state: StateOption = None,
    synchronize_all_clouds: Annotated[
        bool,
        typer.Option(
            "--sync-all-clouds/--no-sync-all-clouds",
            help="Send the metadata of all clouds to the vault.",
        ),
    ] = True,
    powershell: PowerShellOption = None,
    vmm_server: VmmServerOption = "localhost",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Replace the identity of an earlier registration.")
    ] = False,
) -> None:
    """Register this VMM server with a vault. Repeating is safe.

    Exit status: 0 registered, 3 key file unusable, 4 refused, 5 coordinator not reached,
    6 already registered, 8 not confirmed, 9 PowerShell or VMM unusable, 10 the agent is running,
    11 a setting is wrong.
    """
    _configure_logging()
    folder = StateFolder(state or default_state_folder())
    options = RegisterOptions(
        key_file=key,
        folder=folder,
        ask_vmm=partial(ask_vmm_server, _powershell(powershell, folder), vmm_server),
        friendly_name=friendly_name,
        synchronize_all_clouds=synchronize_all_clouds,
        again=again,
        confirm=None if yes else _ask,
    )
    raise typer.Exit(asyncio.run(register_interactively(options, typer.echo)))


@app.command()
def run(
    state: StateOption = None,
    powershell: PowerShellOption = None,
    vmm_server: VmmServerOption = "localhost",
    runspaces: Annotated[
        int, typer.Option("--runspaces", min=2, max=64, help="PowerShell pipelines at a time.")
    ] = 8,
) -> None:
    """Serve the vault until told to stop (SIGTERM, SIGINT).

    Exit status: 0 stopped as told, 1 a part died (the log names it), 7 not registered,
    10 already running, 11 a setting is wrong.
    """
    _configure_logging()
    folder = StateFolder(state or default_state_folder())
    settings = AgentSettings(
        folder=folder,
        powershell=_powershell(powershell, folder),
        vmm_server=vmm_server,
        script_library_path=_script_library_path(folder),
        runspaces=runspaces,
    )
    raise typer.Exit(asyncio.run(_serve(settings)))


@app.command()
def status(
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the registration and the journal. Works while the agent runs.

    Exit status: 0 registered, 7 not registered, 1 the identity or the journal cannot be read.
    """
    _configure_logging()
    folder = StateFolder(state or default_state_folder())
    raise typer.Exit(print_status(folder, utc_now(), typer.echo, as_json=as_json))


@copy_app.command("list")
def list_copies(
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each copy of a protected machine here may do. Works while the agent runs.

    Exit status: 0 shown, 1 the identity or the journal cannot be read.
    """
    _configure_logging()
    folder = StateFolder(state or default_state_folder())
    raise typer.Exit(print_copies(folder, typer.echo, as_json=as_json))


@copy_app.command("release")
def release(
    vm_id: Annotated[str, typer.Argument(help="Hyper-V's id of the virtual machine.")],
    start: Annotated[bool, typer.Option("--start", help="Also start it.")] = False,
    state: StateOption = None,
    powershell: PowerShellOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Release a held copy, or start a machine, when the coordinator cannot be reached.

    Make sure that the other copy does not run. The copy is not held again before the next failover.

    Exit status: 0 released, 1 it could not be, 8 not confirmed, 9 PowerShell unusable.
    """
    _configure_logging()
    folder = StateFolder(state or default_state_folder())
    command = _powershell(powershell, folder)
    confirm = None if yes else _ask
    raise typer.Exit(release_copy(folder, vm_id, command, typer.echo, confirm, start=start))


def main() -> None:
    """Entry point."""
    app()


async def _serve(settings: AgentSettings) -> ExitCode:
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        return await run_agent(settings, stop)
    except AlreadyRunningError as error:
        typer.echo(str(error), err=True)
        return ExitCode.ALREADY_RUNNING
    except IdentityError as error:
        typer.echo(f"{error}. Register first: osr-agent register --key FILE", err=True)
        return ExitCode.NOT_REGISTERED
    except JournalError as error:
        typer.echo(str(error), err=True)
        return ExitCode.FAILED


def _powershell(flag: str | None, folder: StateFolder) -> tuple[str, ...]:
    try:
        return tuple(powershell_command(flag, os.environ, folder.configuration))
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.CONFIGURATION_WRONG) from error


def _script_library_path(folder: StateFolder) -> str:
    try:
        return script_library_path(os.environ, folder.configuration)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.CONFIGURATION_WRONG) from error


def _ask(question: str) -> bool:
    return typer.confirm(question)


def _configure_logging() -> None:
    """One line an event on standard error, key=value or, if OSR_LOG_FORMAT says so, JSON.

    Nothing that psrpcore or grpc log: they log arguments.
    """
    lines: structlog.typing.Processor = structlog.processors.LogfmtRenderer(
        key_order=("timestamp", "level", "event")
    )
    if os.environ.get("OSR_LOG_FORMAT") == "json":
        lines = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            lines,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    main()
