"""Secrets of programs: made, kept as a hash of 256 random bits, renewed, over."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from coordinator.access.models import ClientSecret, ServicePrincipal
from coordinator.failures import refuse
from coordinator.secret import Secret

log = structlog.get_logger(__name__)

SECRET_BYTES = 32
PREFIX = "sha256$"
# What the OAuth client has in the place of its one secret.
KEPT_APART = "principal:"
LIFETIME = timedelta(days=730)
# Long enough to bring a new secret to wherever the old one is used.
OVERLAP = timedelta(hours=24)


def hash_secret(secret: Secret) -> str:
    """The stored form."""
    return PREFIX + hashlib.sha256(secret.reveal().encode()).hexdigest()


def secret_fits(given: str, stored: str) -> bool:
    """Whether a secret somebody gave is the one we stored; takes equally long either way."""
    return hmac.compare_digest(hash_secret(Secret(given)), stored)


def place_of(principal_id: UUID) -> str:
    """What the OAuth client of a program has where others have their secret."""
    return f"{KEPT_APART}{principal_id}"


def opens(given: str, place: str, now: datetime) -> bool:
    """Whether a secret is one of a program's that are not over.

    Args:
        given: What somebody says is its secret.
        place: As `place_of` writes it.
        now: Secrets that end before this are over.
    """
    if not place.startswith(KEPT_APART):
        return False
    stored = ClientSecret.objects.filter(
        principal=UUID(place.removeprefix(KEPT_APART)), expires_at__gt=now
    )
    # All are compared, that time tells nothing.
    return any([secret_fits(given, row.secret_hash) for row in stored])  # noqa: C419 - see above


def add_secret(
    principal: ServicePrincipal,
    now: datetime,
    *,
    lifetime: timedelta = LIFETIME,
    make_token: Callable[[int], str] = secrets.token_urlsafe,
) -> Secret:
    """Gives a program one more secret; it cannot be had again, only its hash is kept."""
    secret = Secret(make_token(SECRET_BYTES))
    ClientSecret.objects.create(
        principal=principal,
        secret_hash=hash_secret(secret),
        created_at=now,
        expires_at=now + lifetime,
    )
    return secret


def find_program(client_id: str) -> ServicePrincipal:
    """The program with a client id.

    Raises:
        RefusedError: ProgramNotFound (404).
    """
    principal = ServicePrincipal.objects.filter(application__client_id=client_id).first()
    if principal is None:
        raise refuse(
            "ProgramNotFound",
            f'There is no program with the client id "{client_id}".',
            causes=["The id is misspelt.", "It is the id of the principal, not of the client."],
            action="Use the client id that was written when the program was made.",
            status=404,
        )
    return principal


def rotate_secret(
    client_id: str,
    now: datetime,
    *,
    lifetime: timedelta = LIFETIME,
    overlap: timedelta = OVERLAP,
    make_token: Callable[[int], str] = secrets.token_urlsafe,
) -> tuple[ServicePrincipal, Secret]:
    """Gives a program a new secret; those it has are over after a while, or at once.

    Args:
        client_id: The program's.
        now: Time of the change.
        lifetime: How long the new one is good for.
        overlap: How long the old ones still are; zero when one became known to somebody.
        make_token: Random text of so many bytes.

    Raises:
        RefusedError: ProgramNotFound (404).
    """
    principal = find_program(client_id)
    old = ClientSecret.objects.filter(principal=principal)
    old.filter(expires_at__lte=now).delete()
    old.filter(expires_at__gt=now + overlap).update(expires_at=now + overlap)
    secret = add_secret(principal, now, lifetime=lifetime, make_token=make_token)
    log.info("client_secret.rotated", client_id=client_id, overlap_seconds=overlap.total_seconds())
    return principal, secret
