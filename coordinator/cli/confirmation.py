"""Asking before something is taken apart."""

from __future__ import annotations

from typing import Annotated

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.session import Session

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for the name.")]


def confirm(session: Session, consequence: str, name: str, *, yes: bool) -> None:
    """Has the person type the name of what is about to go.

    Args:
        session: Where to ask.
        consequence: What will happen, a sentence.
        name: What has to be typed; upper and lower case are alike.
        yes: The person has said so already.

    Raises:
        CommandError: Something else was typed, or nobody is there to type.
    """
    if yes:
        return
    session.notes.print(consequence, highlight=False, markup=False)
    try:
        typed = session.notes.input(f"Type {name} to go on: ", markup=False)
    except EOFError:
        typed = ""
    if typed.strip().casefold() != name.casefold():
        raise CommandError(
            ExitCode.REFUSED,
            f'Nothing was changed: "{name}" was not typed.',
            recommended_action="Type the name, or give --yes.",
        )
