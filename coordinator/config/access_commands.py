"""`osr-coordinator principal` and `person`: who may sign in, made at the coordinator itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from coordinator.config.command_auditing import command_entry, record_command
from coordinator.config.configuration import read_configuration
from coordinator.config.setting_up import set_up_when_installed

if TYPE_CHECKING:
    from coordinator.access.services import RoleDefinition

T = TypeVar("T")

principal_app = typer.Typer(help="Programs that may ask for tokens.")
person_app = typer.Typer(no_args_is_help=True, help="People who may sign in.")

SignInNameOption = Annotated[str, typer.Option(help="What the person types to sign in.")]
TenantOption = Annotated[UUID, typer.Option(help="Tenant id.")]
SubscriptionOption = Annotated[UUID, typer.Option(help="Subscription it may have roles in.")]
OutputOption = Annotated[Path, typer.Option(help="File for what is told once only, mode 0600.")]
RoleOption = Annotated[
    str,
    typer.Option(
        help="Role in the whole subscription: owner, contributor, operator, reader; none: it is"
        " given roles in vaults by an Owner."
    ),
]
DaysOption = Annotated[int, typer.Option(min=1, max=3650, help="How long the secret is good for.")]


@principal_app.callback(invoke_without_command=True)
def principal(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="What the program is called.")] = None,
    tenant: Annotated[UUID | None, typer.Option(help="Tenant id.")] = None,
    subscription: Annotated[
        UUID | None, typer.Option(help="Subscription it may have roles in.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File for client id and secret, mode 0600.")
    ] = None,
    role: RoleOption = "owner",
) -> None:
    """Makes a client for a program; its secret is written once and kept as a hash."""
    if context.invoked_subcommand is not None:
        return
    if name is None or tenant is None or subscription is None or output is None:
        raise typer.BadParameter("--name, --tenant, --subscription and --output are needed")
    set_up_when_installed()
    from coordinator.access import services as access  # noqa: PLC0415 - Django is set up now

    definition = _role(role)

    def make() -> Mapping[str, str]:
        client_id, secret = access.create_principal(
            tenant, subscription, name, datetime.now(UTC), role=definition
        )
        return {
            "tenant_id": str(tenant),
            "client_id": client_id,
            "client_secret": secret.reveal(),
            "principal_id": str(access.find_program(client_id).id),
        }

    given = {"name": name, "role": role, "subscription": str(subscription)}
    _written_once(output, make, "principal/create", given)


@principal_app.command("rotate-secret")
def rotate_secret(
    client_id: Annotated[str, typer.Option(help="Client id of the program.")],
    output: OutputOption,
    days: DaysOption = 730,
    old_secrets_hours: Annotated[
        float, typer.Option(min=0, help="How long its other secrets go on being good; 0: over now.")
    ] = 24,
) -> None:
    """Gives a program a new secret; those it has are over after a while."""
    set_up_when_installed()
    from coordinator.access import services as access  # noqa: PLC0415 - Django is set up now

    def make() -> Mapping[str, str]:
        program, secret = access.rotate_secret(
            client_id,
            datetime.now(UTC),
            lifetime=timedelta(days=days),
            overlap=timedelta(hours=old_secrets_hours),
        )
        return {
            "tenant_id": str(program.tenant_id),
            "client_id": client_id,
            "client_secret": secret.reveal(),
            "principal_id": str(program.id),
        }

    given = {"days": str(days), "oldSecretsHours": str(old_secrets_hours)}
    _written_once(output, make, "principal/rotate-secret", given)


@person_app.command()
def create(
    name: SignInNameOption,
    tenant: TenantOption,
    subscription: SubscriptionOption,
    output: OutputOption,
    email: Annotated[
        str, typer.Option(help="Single sign-on recognizes the person by it; empty: it does not.")
    ] = "",
    role: RoleOption = "none",
) -> None:
    """Makes somebody who may sign in; the password is written once and kept as a hash."""
    set_up_when_installed()
    from coordinator.access import services as access  # noqa: PLC0415 - Django is set up now

    definition = _role(role)
    draft = access.PersonDraft(name, email, tenant, subscription)

    def make() -> Mapping[str, str]:
        person, password = access.create_person(draft, datetime.now(UTC), role=definition)
        return {
            "tenant_id": str(tenant),
            "name": name,
            "password": password.reveal(),
            "principal_id": str(person.id),
        }

    given = {"role": role, "subscription": str(subscription)}
    _written_once(output, make, "person/create", given)


@person_app.command()
def disable(name: SignInNameOption) -> None:
    """Puts somebody out at once: sessions and tokens are over."""
    set_up_when_installed()
    from django.db import transaction  # noqa: PLC0415 - Django is set up now

    from coordinator.access import services as access  # noqa: PLC0415 - likewise

    with transaction.atomic():
        _or_exit(lambda: access.disable_person(name))
        _record("person/disable", name, {})


@person_app.command("reset-password")
def reset_password(name: SignInNameOption, output: OutputOption) -> None:
    """Gives somebody a new password, opens a locked or disabled account, ends its sessions."""
    set_up_when_installed()
    from coordinator.access import services as access  # noqa: PLC0415 - Django is set up now

    _written_once(
        output,
        lambda: {"name": name, "password": access.reset_password(name).reveal()},
        "person/reset-password",
        {},
    )


def _role(name: str) -> RoleDefinition | None:
    from coordinator.access import services as access  # noqa: PLC0415 - Django is set up now

    if name.strip().lower() == "none":
        return None
    role = access.role_of_name(name)
    if role is None:
        raise typer.BadParameter(
            "owner, contributor, operator, reader or none", param_hint="--role"
        )
    return role


def _written_once(
    output: Path, make: Callable[[], Mapping[str, str]], action: str, given: Mapping[str, str]
) -> None:
    """Makes something with a secret and writes it to a file only we can read: both or neither.

    Args:
        output: The file.
        make: Makes it, and gives what the file is to hold.
        action: What the audit calls it.
        given: What of the command's options the audit keeps.
    """
    from django.db import transaction  # noqa: PLC0415 - Django is set up now

    with transaction.atomic():
        content = _or_exit(make)
        _record(action, content.get("name") or content["principal_id"], given)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump(dict(content), stream)


def _record(action: str, resource: str, given: Mapping[str, str]) -> None:
    record_command(read_configuration().state, command_entry(action, resource, given))


def _or_exit(work: Callable[[], T]) -> T:
    """Says why something was refused and ends, instead of a traceback."""
    from coordinator.failures import RefusedError  # noqa: PLC0415 - as late as the rest

    try:
        return work()
    except RefusedError as refusal:
        print(f"{refusal.failure.message} {refusal.failure.recommended_action}", file=sys.stderr)
        raise typer.Exit(1) from refusal
