"""Asking before machines are shut down, or something is taken apart."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.outputs import Answers

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the name.")]


def confirm(answers: Answers, consequence: str, name: str, *, yes: bool) -> None:
    """Has the person type the name of what is about to go or to be shut down.

    Args:
        answers: Where to ask.
        consequence: What will happen, a sentence.
        name: What has to be typed; upper and lower case are alike.
        yes: The person has said so already.

    Raises:
        CommandError: Something else was typed, or nobody is there to type.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            ExitCode.REFUSED,
            f"Nothing was changed: nobody is there to confirm. {consequence}",
            code="NotConfirmed",
            possible_causes=["The command runs in a script; its input is no terminal."],
            recommended_action="Run it in a terminal and type the name, or give --yes.",
        )
    answers.notes.print(consequence, highlight=False, markup=False)
    try:
        typed = answers.notes.input(f"Type {name} to go on: ", markup=False)
    except EOFError:
        typed = ""
    if typed.strip().casefold() != name.casefold():
        raise CommandError(
            ExitCode.REFUSED,
            f'Nothing was changed: "{name}" was not typed.',
            code="NotConfirmed",
            recommended_action="Type the name, or give --yes.",
        )
