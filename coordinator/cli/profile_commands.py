"""osr profile: several coordinators and vaults by name."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from coordinator.cli.completion import complete_profiles
from coordinator.cli.connection import Connection, Secret, read_connection
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.outputs import Answers
from coordinator.cli.profiles import (
    Profiles,
    config_folder,
    forget_authority,
    keep_authority,
    read_profiles,
    write_profiles,
)
from coordinator.cli.session import local_command
from coordinator.cli.tokens import TokenFile

app = typer.Typer(no_args_is_help=True, help="Several coordinators and vaults by name.")

SECRET_VARIABLE = "OSR_CLIENT_SECRET"  # noqa: S105 - a name
NameArgument = Annotated[
    str, typer.Argument(help="Name of the profile.", autocompletion=complete_profiles)
]
COLUMNS = {
    "Profile": lambda one: str(one["name"]),
    "Current": lambda one: "yes" if one["current"] else "",
    "Endpoint": lambda one: str(one["endpoint"]),
    "Vault": lambda one: str(one["vault"]),
    "Resource group": lambda one: str(one["resourceGroup"]),
    "As": lambda one: str(one["clientId"] or "a person"),
}
DETAILS = {
    **COLUMNS,
    "Subscription": lambda one: str(one["subscriptionId"]),
    "Tenant": lambda one: str(one["tenantId"]),
    "Signs in at": lambda one: str(one["authority"]),
    "CA file": lambda one: str(one["caFile"] or "the system's"),
}
SecretOption = Annotated[
    bool,
    typer.Option(
        "--secret-stdin",
        help=f"Read the secret from standard input; else {SECRET_VARIABLE} or a prompt has it.",
    ),
]


@local_command(app)
def add(  # noqa: PLR0913, PLR0917 - each is an option of the command
    answers: Answers,
    name: Annotated[str, typer.Argument(help="What to call it: beijing, test-lab.")],
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="Connection file to take all from that is not given."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Base URL of the coordinator: https://osr.example:8443")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant id.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Subscription id.")] = None,
    resource_group: Annotated[str | None, typer.Option(help="Resource group of the vault.")] = None,
    vault: Annotated[str | None, typer.Option(help="Name of the vault.")] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="The coordinator's ca.pem; it is copied. Default: the system's."),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(help="Of a program; without one a person signs in: osr login.")
    ] = None,
    secret_stdin: SecretOption = False,
    replace_known: Annotated[
        bool, typer.Option("--replace", help="Change a profile of that name; the rest stays.")
    ] = False,
) -> None:
    """Adds a profile, or changes one; the first one is the current one."""
    folder = config_folder()
    profiles = read_profiles(folder)
    known = profiles.connections.get(name)
    if known is not None and not replace_known:
        raise CommandError(
            ExitCode.REFUSED,
            f'There is a profile "{name}" already.',
            recommended_action="Choose another name, or change it with --replace.",
        )
    start = known if from_file is None else read_connection(from_file)
    given = {
        "endpoint": endpoint,
        "tenant_id": tenant,
        "subscription_id": subscription,
        "resource_group": resource_group,
        "vault": vault,
        "client_id": client_id,
    }
    made = _made(start, {word: text for word, text in given.items() if text is not None})
    if made.is_person:
        made = replace(made, client_secret=Secret(""))
    elif made.client_secret == Secret("") or client_id or secret_stdin:
        made = replace(made, client_secret=_read_secret(answers, from_stdin=secret_stdin))
    authority = ca_file or (Path(start.ca_file) if start and start.ca_file else None)
    if authority is not None and authority != folder / f"{name}.ca.pem":
        made = replace(made, ca_file=keep_authority(folder, name, authority))
    write_profiles(folder, profiles.with_profile(name, made))
    how = "Sign in: osr login" if made.is_person else "Try it: osr vault show"
    answers.tell(f"The profile {name} is kept in {folder}. {how} --profile {name}")


@local_command(app)
def secret(answers: Answers, name: NameArgument, secret_stdin: SecretOption = False) -> None:
    """Keeps another secret of a program: the one it had has ended or was replaced."""
    folder = config_folder()
    profiles = read_profiles(folder)
    known = profiles.find(name)
    if known.is_person:
        raise CommandError(
            ExitCode.REFUSED,
            f"In the profile {name} a person signs in; it has no secret.",
            recommended_action=f"Sign in: osr login --profile {name}",
        )
    changed = replace(known, client_secret=_read_secret(answers, from_stdin=secret_stdin))
    TokenFile(folder, known).forget()
    write_profiles(folder, profiles.with_profile(name, changed))
    answers.tell(f"The profile {name} has a new secret.")


@local_command(app)
def use(answers: Answers, name: NameArgument) -> None:
    """Makes a profile the current one."""
    folder = config_folder()
    write_profiles(folder, read_profiles(folder).using(name))
    answers.tell(f"{name} is the current profile.")


@local_command(app, "list")
def list_profiles(answers: Answers) -> None:
    """Lists the profiles; secrets are not shown."""
    profiles = read_profiles(config_folder())
    answers.show([_plain(profiles, one) for one in profiles.connections.values()], COLUMNS)


@local_command(app)
def show(answers: Answers, name: NameArgument) -> None:
    """Shows a profile; its secret is not shown."""
    profiles = read_profiles(config_folder())
    answers.show_one(_plain(profiles, profiles.find(name)), DETAILS)


@local_command(app)
def remove(answers: Answers, name: NameArgument) -> None:
    """Forgets a profile with its secret and tokens; nothing changes at the coordinator."""
    folder = config_folder()
    profiles = read_profiles(folder)
    TokenFile(folder, profiles.find(name)).forget()
    write_profiles(folder, profiles.without(name))
    forget_authority(folder, name)
    answers.tell(f"The profile {name} is forgotten.")


def _made(start: Connection | None, given: dict[str, str]) -> Connection:
    """A connection of what there was and what is given.

    Raises:
        CommandError: Something is missing, or the endpoint is not by TLS.
    """
    empty = Connection("", "", "", "", Secret(""), "", "", "", "")
    made = replace(start or empty, **given)  # type: ignore[arg-type] # texts, all of them
    endpoint = made.endpoint.rstrip("/")
    missing = [
        option
        for option, value in (
            ("--endpoint", endpoint),
            ("--tenant", made.tenant_id),
            ("--subscription", made.subscription_id),
            ("--resource-group", made.resource_group),
            ("--vault", made.vault),
        )
        if not value
    ]
    if missing:
        raise CommandError(
            ExitCode.USAGE,
            f"Not said: {', '.join(missing)}.",
            recommended_action="Give the options, or a connection file with --from.",
        )
    if not endpoint.startswith("https://"):
        raise CommandError(
            ExitCode.USAGE,
            f"{endpoint} is no endpoint: it does not begin with https://",
            possible_causes=["Coordinators answer over TLS only."],
            recommended_action="Give it as https://osr.example:8443.",
        )
    same = start is not None and "endpoint" not in given
    return replace(made, endpoint=endpoint, authority=made.authority if same else endpoint)


def _read_secret(answers: Answers, *, from_stdin: bool) -> Secret:
    """The secret from where no other process can see it: never the command line.

    Raises:
        CommandError: There is none.
    """
    if from_stdin:
        text = sys.stdin.readline()
    elif os.environ.get(SECRET_VARIABLE):
        text = os.environ[SECRET_VARIABLE]
    elif sys.stdin.isatty():
        text = answers.notes.input("Client secret: ", markup=False, password=True)
    else:
        text = ""
    if not text.strip():
        raise CommandError(
            ExitCode.USAGE,
            "No secret was given.",
            possible_causes=["There is no terminal to ask on."],
            recommended_action=f"Set {SECRET_VARIABLE}, or give --secret-stdin.",
        )
    return Secret(text.strip())


def _plain(profiles: Profiles, connection: Connection) -> dict[str, object]:
    return {
        "name": connection.profile,
        "current": connection.profile == profiles.current,
        "endpoint": connection.endpoint,
        "authority": connection.authority,
        "tenantId": connection.tenant_id,
        "clientId": connection.client_id or None,
        "subscriptionId": connection.subscription_id,
        "resourceGroup": connection.resource_group,
        "vault": connection.vault,
        "caFile": connection.ca_file or None,
    }
