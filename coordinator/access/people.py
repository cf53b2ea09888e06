"""People: made, put out, given new passwords."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from oauth2_provider.models import AccessToken, Grant, RefreshToken

from coordinator.access.guesses import forget_guesses
from coordinator.access.models import Person
from coordinator.access.role_assignments import Scope, assign_role
from coordinator.access.role_definitions import RoleDefinition
from coordinator.failures import RefusedError, refuse
from coordinator.secret import Secret

log = structlog.get_logger(__name__)

PASSWORD_BYTES = 15


@dataclass(frozen=True)
class PersonDraft:
    """Somebody who is to be able to sign in.

    Attributes:
        name: What is typed to sign in; unique, whatever its case.
        email: Where single sign-on recognizes somebody by; "" for nobody it should recognize.
        tenant_id: Tenant.
        subscription_id: The one subscription roles can be had in.
    """

    name: str
    email: str
    tenant_id: UUID
    subscription_id: UUID


def create_person(
    draft: PersonDraft,
    now: datetime,
    *,
    role: RoleDefinition | None,
    make_token: Callable[[int], str] = secrets.token_urlsafe,
) -> tuple[Person, Secret]:
    """Makes somebody who may sign in.

    Args:
        draft: Who.
        now: Time of making.
        role: What it may do in the whole subscription; None: nothing until it is given a role.
        make_token: Random text of so many bytes.

    Returns:
        The person and a password, of which a hash (Argon2) is all that is kept.

    Raises:
        RefusedError: PersonExists (409): the name or e-mail address is somebody's.

    Source: SPEC AC-2.
    """
    name, email = draft.name.strip(), draft.email.strip().lower()
    taken = User.objects.filter(username__iexact=name).exists()
    if taken or (email and User.objects.filter(email__iexact=email).exists()):
        raise refuse(
            "PersonExists",
            f'Somebody has the name "{name}" or the e-mail address "{email}" already.',
            causes=["The person was made before, perhaps under another name."],
            action="Choose another name, or give that person a new password.",
            status=409,
        )
    password = Secret(make_token(PASSWORD_BYTES))
    user = User.objects.create_user(name, email, password.reveal())
    person = Person.objects.create(
        user=user,
        tenant_id=draft.tenant_id,
        subscription_id=draft.subscription_id,
        created_at=now,
    )
    if role is not None:
        scope = Scope(draft.subscription_id)
        assign_role(scope, role.id, person.id, by="osr-coordinator", now=now)
    log.info("person.created", person_id=str(person.id), name=name)
    return person, password


def disable_person(name: str) -> None:
    """Puts somebody out at once: sessions and tokens are over, nobody signs in by that name.

    Raises:
        RefusedError: PersonNotFound (404).

    Idempotent.
    """
    user = _find(name)
    user.is_active = False
    user.save(update_fields=["is_active"])
    _end_tokens(user)
    log.info("person.disabled", name=user.get_username())


def reset_password(
    name: str, *, make_token: Callable[[int], str] = secrets.token_urlsafe
) -> Secret:
    """Gives somebody a new password; sessions and tokens had with the old one are over.

    Somebody who was disabled may sign in again; an account that was locked is open.

    Raises:
        RefusedError: PersonNotFound (404).
    """
    user = _find(name)
    password = Secret(make_token(PASSWORD_BYTES))
    user.set_password(password.reveal())
    user.is_active = True
    user.save(update_fields=["password", "is_active"])
    _end_tokens(user)
    forget_guesses(user.get_username())
    log.info("person.password_reset", name=user.get_username())
    return password


def _find(name: str) -> User:
    user = User.objects.filter(username__iexact=name.strip(), person__isnull=False).first()
    if user is None:
        raise _not_found(name)
    return user


def _not_found(name: str) -> RefusedError:
    return refuse(
        "PersonNotFound",
        f'There is nobody with the name "{name}".',
        causes=["The name is misspelt.", "It is the name of a program."],
        action="Use the name the person signs in with.",
        status=404,
    )


def _end_tokens(user: User) -> None:
    # Sessions end by themselves: they hold a hash made of the password, and ask if one is active.
    for table in (RefreshToken, AccessToken, Grant):
        table.objects.filter(user=user).delete()
