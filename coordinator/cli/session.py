"""What every command works with, and the options every command has."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, cast

import typer

from coordinator.cli.clients import Clients
from coordinator.cli.completion import complete_profiles, complete_vaults
from coordinator.cli.failures import CommandError, ExitCode, show_error
from coordinator.cli.outputs import Answers, OutputFormat, as_plain, consoles
from coordinator.cli.profiles import chosen_connection, config_folder
from coordinator.cli.tokens import TokenFile

__all__ = ["Session", "as_plain", "command", "local_command", "open_clients"]

P = ParamSpec("P")
COMMON = "Common options"


@dataclass(frozen=True, kw_only=True)
class Session(Answers):
    """One run of a command that asks the coordinator.

    Attributes:
        clients: The coordinator, through Microsoft's SDK.
    """

    clients: Clients


def command(
    app: typer.Typer, name: str | None = None
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[..., None]]:
    """Registers a command that gets a session, and gives it the options all commands have."""

    def register(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
        return _registered(app, name, cast("Callable[..., None]", function), _open)

    return register


def local_command(
    app: typer.Typer, name: str | None = None
) -> Callable[[Callable[Concatenate[Answers, P], None]], Callable[..., None]]:
    """Registers a command that needs no coordinator: it gets the ways to say something."""

    def register(function: Callable[Concatenate[Answers, P], None]) -> Callable[..., None]:
        return _registered(app, name, cast("Callable[..., None]", function), _answers)

    return register


def _registered(
    app: typer.Typer,
    name: str | None,
    function: Callable[..., None],
    opened: Callable[..., Answers],
) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    shared = list(inspect.signature(opened, eval_str=True).parameters.values())

    @wraps(function)
    def run(**arguments: Any) -> None:
        options = {option.name: arguments.pop(option.name) for option in shared}
        _guarded(function, lambda: opened(**options), arguments)

    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined] # read by typer
    app.command(name)(run)
    return run


def _guarded(
    function: Callable[..., None], opened: Callable[[], Answers], arguments: Mapping[str, Any]
) -> None:
    """Runs a command; turns what goes wrong into four things said and an exit code."""
    _, notes = consoles()
    answers: Answers | None = None
    try:
        answers = opened()
        function(answers, **arguments)
    except CommandError as error:
        show_error(notes, error)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        notes.print("Interrupted.")
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    except BrokenPipeError as error:
        # Who read us has read enough; what is left in the buffer must not be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise typer.Exit(ExitCode.DONE) from error
    except Exception as error:  # the border: a failure of the SDK becomes words
        told = _told(error, answers)
        if told is None:
            raise
        show_error(notes, told)
        raise typer.Exit(told.exit_code) from error


def _told(error: Exception, answers: Answers | None) -> CommandError | None:
    """What the SDK raised, in our words; None when it is not the SDK's."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - only when something went wrong

    from coordinator.cli.sdk_failures import error_of_sdk  # noqa: PLC0415 - likewise

    if not isinstance(error, AzureError) or not isinstance(answers, Session):
        return None
    return error_of_sdk(error, answers.clients.connection)


OutputOption = Annotated[
    OutputFormat | None,
    typer.Option(
        "--output",
        "-o",
        envvar="OSR_OUTPUT",
        help="How answers are written; default: table.",
        rich_help_panel=COMMON,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Short for --output json.", rich_help_panel=COMMON)
]


def _answers(*, output_format: OutputOption = None, as_json: JsonOption = False) -> Answers:
    output, notes = consoles()
    return Answers(format=_format(output_format, as_json=as_json), output=output, notes=notes)


def _open(
    *,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile, if not the current one (environment: OSR_PROFILE).",
            rich_help_panel=COMMON,
            autocompletion=complete_profiles,
        ),
    ] = None,
    connection: Annotated[
        Path | None,
        typer.Option(
            help="Connection file instead of a profile (environment: OSR_CONNECTION).",
            rich_help_panel=COMMON,
        ),
    ] = None,
    vault: Annotated[
        str | None,
        typer.Option(
            envvar="OSR_VAULT",
            help="Vault, if not the profile's.",
            rich_help_panel=COMMON,
            autocompletion=complete_vaults,
        ),
    ] = None,
    output_format: OutputOption = None,
    as_json: JsonOption = False,
) -> Session:
    output, notes = consoles()
    return Session(
        format=_format(output_format, as_json=as_json),
        output=output,
        notes=notes,
        clients=open_clients(profile, connection, vault),
    )


def open_clients(
    profile: str | None = None, connection: Path | None = None, vault: str | None = None
) -> Clients:
    """The clients of what was chosen; tokens of profiles are kept.

    Raises:
        CommandError: Nothing was chosen, or what was chosen is not there.
    """
    known = chosen_connection(profile, connection)
    kept = TokenFile(config_folder(), known) if known.profile else None
    return Clients(known, vault or os.environ.get("OSR_VAULT") or known.vault, kept)


def _format(given: OutputFormat | None, *, as_json: bool) -> OutputFormat:
    if as_json:
        return OutputFormat.JSON
    return given or OutputFormat.TABLE
