"""osr key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.private_files import write_private
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Registration keys: what a VMM server registers with.")

COLUMNS = {
    "Key": lambda key: str(key["name"]),
    "State": lambda key: str(key["properties"]["state"]),
    "Expires": lambda key: str(key["properties"]["expiresAt"])[:19],
    "Uses": lambda key: f"{key['properties']['uses']} of {key['properties']['maxUses']}",
    "Made by": lambda key: str(key["properties"]["createdBy"]),
}


@command(app)
def create(
    session: Session,
    file: Annotated[Path, typer.Option("--file", help="To write; only you can read it.")],
    max_uses: Annotated[
        int | None, typer.Option(min=1, help="How many servers may register with it.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Overwrite the file.")] = False,
) -> None:
    """Makes a key, valid for five days, and writes its file."""
    if file.exists() and not force:
        raise CommandError(
            ExitCode.REFUSED,
            f"{file} exists.",
            possible_causes=["A key was written there before."],
            recommended_action="Choose another file, or give --force.",
        )
    body = {} if max_uses is None else {"properties": {"maxUses": max_uses}}
    key = session.clients.send("POST", "/registrationKeys", body)
    write_private(file, str(key["properties"].pop("keyFile")))
    session.show_one(key, {**COLUMNS, "File": lambda _key: str(file)})


@command(app, "list")
def list_keys(session: Session) -> None:
    """Lists the keys that were made, newest first."""
    found: Any = session.clients.send("GET", "/registrationKeys")
    session.show(found["value"], COLUMNS, whole="Key")


@command(app)
def show(session: Session, key: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """Shows a key that was made; its secret was in its file only."""
    session.show_one(session.clients.send("GET", f"/registrationKeys/{key}"), COLUMNS)


@command(app)
def revoke(session: Session, key: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """Makes a key useless at once; servers registered with it stay registered."""
    session.show_one(session.clients.send("POST", f"/registrationKeys/{key}/revoke"), COLUMNS)
