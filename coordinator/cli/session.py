"""What every command works with, and the options every command has."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, cast

import typer
from azure.core.exceptions import AzureError
from rich.console import Console
from rich.table import Table

from coordinator.cli.clients import Clients
from coordinator.cli.connection import read_connection
from coordinator.cli.failures import CommandError, error_of_sdk, show_error

P = ParamSpec("P")


@dataclass(frozen=True)
class Session:
    """One run of the command.

    Attributes:
        clients: The coordinator, through Microsoft's SDK.
        as_json: Whether the answer is wanted as JSON.
        output: Standard output: answers.
        notes: Standard error: progress and errors.
    """

    clients: Clients
    as_json: bool
    output: Console
    notes: Console

    def show(
        self,
        resources: Sequence[Mapping[str, Any]],
        columns: Mapping[str, Callable[[Any], str]],
        *,
        whole: str = "",
    ) -> None:
        """Shows a list, as a table or as JSON.

        Args:
            resources: As the API gave them.
            columns: Heading, and the text of a resource under it.
            whole: Heading of the column that is never shortened, because its texts are ids that
                other commands want.
        """
        if self.as_json:
            self.show_json([as_plain(resource) for resource in resources])
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in columns:
            table.add_column(heading, no_wrap=heading == whole)
        for resource in resources:
            table.add_row(*(text(resource) for text in columns.values()))
        self.output.print(table)

    def show_one(
        self, resource: Mapping[str, Any], columns: Mapping[str, Callable[[Any], str]]
    ) -> None:
        """Shows one resource, a line a property, or as JSON."""
        if self.as_json:
            self.show_json(as_plain(resource))
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for heading, text in columns.items():
            table.add_row(heading, text(resource))
        self.output.print(table)

    def show_json(self, value: object) -> None:
        print(json.dumps(value, indent=2, ensure_ascii=False))

    def tell(self, text: str) -> None:
        """Says something to a person; with --json nobody is listening."""
        if not self.as_json:
            self.output.print(text, highlight=False)


def as_plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as the JSON it came as."""
    plain = getattr(resource, "as_dict", None)
    return plain() if plain is not None else dict(resource)


def command(
    app: typer.Typer, name: str | None = None
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[..., None]]:
    """Registers a command that gets a session, and gives it the options all commands have."""

    def register(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        shared = list(inspect.signature(_open, eval_str=True).parameters.values())

        @wraps(function)
        def run(**arguments: Any) -> None:
            options = {option.name: arguments.pop(option.name) for option in shared}
            _guarded(cast("Callable[..., None]", function), options, arguments)

        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined] # read by typer
        app.command(name)(run)
        return run

    return register


def _guarded(
    function: Callable[..., None], options: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    """Runs a command; turns what goes wrong into four things said and an exit code."""
    notes = Console(stderr=True)
    endpoint = "the coordinator"
    try:
        session = _open(**options)
        endpoint = session.clients.endpoint
        function(session, **arguments)
    except CommandError as error:
        show_error(notes, error)
        raise typer.Exit(error.exit_code) from error
    except AzureError as error:
        told = error_of_sdk(error, endpoint)
        show_error(notes, told)
        raise typer.Exit(told.exit_code) from error


def _open(
    *,
    connection: Annotated[
        Path | None,
        typer.Option(
            envvar="OSR_CONNECTION",
            help="Connection file.",
            rich_help_panel="Common options",
        ),
    ] = None,
    vault: Annotated[
        str | None,
        typer.Option(
            envvar="OSR_VAULT",
            help="Vault, if not the connection's.",
            rich_help_panel="Common options",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON.", rich_help_panel="Common options"),
    ] = False,
) -> Session:
    known = read_connection(connection)
    clients = Clients(known, vault or known.vault)
    return Session(clients, as_json, Console(), Console(stderr=True))
