"""osr login and osr logout: how a person, or a program, becomes known to a coordinator."""

from __future__ import annotations

import sys
import webbrowser
from typing import Annotated

import typer

from coordinator.cli.completion import complete_profiles
from coordinator.cli.connection import Connection
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.outputs import Answers
from coordinator.cli.person_sign_in import (
    CallbackListener,
    code_of,
    exchange_code,
    new_attempt,
    sign_in_address,
)
from coordinator.cli.profiles import chosen_connection, config_folder
from coordinator.cli.session import local_command
from coordinator.cli.tokens import TokenFile

commands = typer.Typer()

ProfileOption = Annotated[
    str | None,
    typer.Option(help="Default: the current one.", autocompletion=complete_profiles),
]


@local_command(commands)
def login(
    answers: Answers,
    profile: ProfileOption = None,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser",
            help="Open the page here, or say which one, to be opened on any machine.",
        ),
    ] = True,
    limit_seconds: Annotated[
        float, typer.Option("--timeout", min=1, help="How long to wait for you, in seconds.")
    ] = 300.0,
) -> None:
    """Signs in to the coordinator of a profile; add one first: osr profile add.

    People sign in in a browser, with their password or by single sign-on; a program's secret is
    tried.
    """
    connection = chosen_connection(profile, None)
    if not connection.profile:
        raise CommandError(
            ExitCode.USAGE,
            "A connection file needs no signing in: it has a program's secret.",
            possible_causes=["OSR_CONNECTION is set."],
            recommended_action="Use it as it is, or name a profile with --profile.",
        )
    kept = TokenFile(config_folder(), connection)
    if connection.is_person:
        _sign_in(answers, connection, kept, browser=browser, limit_seconds=limit_seconds)
    else:
        check_secret(connection, kept)
    answers.tell(f"Signed in at {connection.endpoint} (profile {connection.profile}).")


@local_command(commands)
def logout(answers: Answers, profile: ProfileOption = None) -> None:
    """Forgets the tokens of a profile; a program's secret stays in it."""
    connection = chosen_connection(profile, None)
    TokenFile(config_folder(), connection).forget()
    answers.tell(f"Signed out of {connection.endpoint} (profile {connection.profile}).")


def check_secret(connection: Connection, kept: TokenFile) -> None:
    """Gets a token for a program's secret, and keeps it.

    Raises:
        CommandError: The coordinator does not take it, or does not answer.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - slow to import: see Clients

    from coordinator.cli.credentials import ProgramCredential  # noqa: PLC0415 - likewise
    from coordinator.cli.sdk_failures import error_of_sdk  # noqa: PLC0415 - likewise

    kept.forget()
    try:
        ProgramCredential(connection, kept).get_token(f"{connection.endpoint}/.default")
    except AzureError as error:
        raise error_of_sdk(error, connection) from error


def _sign_in(
    answers: Answers,
    connection: Connection,
    kept: TokenFile,
    *,
    browser: bool,
    limit_seconds: float,
) -> None:
    listener = CallbackListener()
    try:
        attempt = new_attempt(listener.port)
        address = sign_in_address(connection, attempt)
        if browser and webbrowser.open(address):
            answers.notes.print("Sign in on the page that your browser has opened.")
            brought = listener.wait(limit_seconds)
            if not brought:
                raise _too_late(limit_seconds)
        else:
            brought = _ask(answers, address)
    finally:
        listener.close()
    kept.write(exchange_code(connection, attempt, code_of(brought, attempt)))


def _ask(answers: Answers, address: str) -> str:
    """Has the person open the page anywhere, and bring back the address it ends at."""
    answers.notes.print("Open this page in a browser and sign in:", highlight=False)
    # As one line, whatever the width: it is to be copied.
    print(address, file=sys.stderr)
    answers.notes.print(
        "The browser then goes to an address that begins with http://127.0.0.1 and cannot show it; "
        "copy that address out of the browser's address bar.",
        highlight=False,
    )
    try:
        return answers.notes.input("Address: ", markup=False)
    except EOFError:
        return ""


def _too_late(limit_seconds: float) -> CommandError:
    return CommandError(
        ExitCode.NOT_CONNECTED,
        f"Nobody signed in within {limit_seconds:.0f} s.",
        code="NotSignedIn",
        possible_causes=["The browser is on another machine.", "The page was closed."],
        recommended_action="Run osr login again; where there is no browser: osr login --no-browser",
    )
