"""osr api: any request to the API, signed in; and what operations there are."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.session import Session, command

commands = typer.Typer()


class Method(StrEnum):
    """Of HTTP."""

    GET = "get"
    PUT = "put"
    PATCH = "patch"
    POST = "post"
    DELETE = "delete"


OPERATION_COLUMNS = {
    "Operation": lambda one: str(one.name),
    "What": lambda one: str(one.display.description if one.display else ""),
}


@command(commands)
def api(
    session: Session,
    method: Annotated[Method, typer.Argument(help="What to do.")],
    path: Annotated[str, typer.Argument(help="Below the vault: /replicationFabrics")],
    body: Annotated[
        Path | None, typer.Option("--body", help="JSON file, or - for standard input.")
    ] = None,
) -> None:
    """Makes any request to the API and writes its answer; a job's name when it begins one."""
    content = None if body is None else _read(body)
    clients, address = session.clients, path if path.startswith("/") else f"/{path}"
    if method is Method.GET:
        answer: Any = clients.send("GET", address)
    else:
        answer = clients.request(method.upper(), address, content)
    if answer is not None:
        session.show_json(answer)


@command(commands)
def operations(session: Session) -> None:
    """Lists the operations of the API by the names that roles have for them."""
    found = session.clients.site_recovery.operations.list(session.clients.resource_group)
    session.show(list(found), OPERATION_COLUMNS)


def _read(file: Path) -> object:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(
            ExitCode.USAGE,
            f"{file} cannot be read as JSON: {error}.",
            recommended_action="Give a file with one JSON value.",
        ) from error
