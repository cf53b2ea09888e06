"""What can be done with registration keys: generate, revoke, redeem."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from coordinator.failures import RefusedError, refuse
from coordinator.secret import Secret
from coordinator.vaults.authority import Authority
from coordinator.vaults.models import RegistrationKey, Vault
from coordinator.vaults.registration_keys import (
    LIFETIME,
    NEW_KEY,
    SECRET_BYTES,
    KeyDocument,
    altered,
    hash_secret,
    read_key_file,
    secret_matches,
    write_key_file,
)

log = structlog.get_logger(__name__)

# One key file serves all servers of a site, and the nodes of a VMM cluster.
DEFAULT_MAX_USES = 10
MOST_USES = 1000


@dataclass(frozen=True)
class KeyIssuer:
    """Who writes key files.

    Attributes:
        authority: Signs them; agents will trust it alone.
        endpoint: Where agents dial, "host:port".
    """

    authority: Authority
    endpoint: str


@dataclass(frozen=True)
class GeneratedKey:
    """A new key; its file cannot be had a second time."""

    key: RegistrationKey
    file: Secret


def generate_registration_key(
    vault: Vault,
    issuer: KeyIssuer,
    created_by: str,
    now: datetime,
    max_uses: int = DEFAULT_MAX_USES,
) -> GeneratedKey:
    """Makes a key that is valid for five days.

    Args:
        vault: The vault it lets in to.
        issuer: Who signs it, and where it sends agents.
        created_by: Who asked for it.
        now: The coordinator's time; the five days begin with its whole second.
        max_uses: How many servers may register with it, 1 to 1000.

    Raises:
        RefusedError: InvalidMaxUses.

    Source: SPEC VA-2, VA-3.
    """
    if not 1 <= max_uses <= MOST_USES:
        raise refuse(
            "InvalidMaxUses",
            f'{max_uses} cannot be used for "maxUses". Allowed: 1 to {MOST_USES}.',
            causes=["The number is out of range."],
            action=f'Choose a value for "maxUses" from 1 to {MOST_USES}.',
            field="maxUses",
        )
    secret = Secret(secrets.token_urlsafe(SECRET_BYTES))
    key = RegistrationKey.objects.create(
        vault=vault,
        secret_hash=hash_secret(secret),
        created_at=now,
        created_by=created_by[:200],
        expires_at=now.replace(microsecond=0) + LIFETIME,
        max_uses=max_uses,
    )
    document = KeyDocument(
        vault=vault.name,
        vault_id=vault.id,
        endpoint=issuer.endpoint,
        ca_certificate=issuer.authority.pem,
        key_id=key.id,
        secret=secret,
        expires_at=key.expires_at,
    )
    log.info("registration_key.generated", vault_id=str(vault.id), key_id=str(key.id))
    return GeneratedKey(key, Secret(write_key_file(document, issuer.authority.sign)))


def revoke_registration_key(vault: Vault, key_id: UUID, now: datetime) -> RegistrationKey:
    """Makes a key useless at once; servers that registered with it stay registered.

    Raises:
        RefusedError: KeyNotFound (404): the vault has no such key.

    Idempotent: the first time stays.

    Source: SPEC VA-3.
    """
    key = RegistrationKey.objects.select_for_update().filter(vault=vault, pk=key_id).first()
    if key is None:
        raise refuse(
            "KeyNotFound",
            f'The vault "{vault.name}" has no registration key "{key_id}".',
            causes=["The id is misspelt.", "The key is another vault's."],
            action="List the vault's registration keys and choose one.",
            status=404,
        )
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        log.info("registration_key.revoked", vault_id=str(vault.id), key_id=str(key.id))
    return key


def admit_key(file: bytes, authority: Authority, now: datetime) -> RegistrationKey:
    """Checks everything about a key file but whether uses are left, and locks the key's row.

    Args:
        file: The key file, byte for byte.
        authority: This coordinator's.
        now: This coordinator's time.

    Returns:
        The key with its vault. `count_use` takes one of its uses.

    Raises:
        RefusedError: KeyMalformed, KeyAltered, KeyForeign, KeyRevoked or KeyExpired.

    Source: SPEC VA-2.
    """
    document = read_key_file(file, authority.certificate)
    keys = RegistrationKey.objects.select_related("vault").select_for_update(of=("self",))
    key = keys.filter(pk=document.key_id).first()
    if key is None or key.vault_id != document.vault_id:
        raise unknown_key(document)
    if not secret_matches(document.secret, bytes(key.secret_hash)):
        raise altered()
    if key.revoked_at is not None:
        raise refuse(
            "KeyRevoked",
            f'The registration key of the vault "{document.vault}" was revoked at'
            f" {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC.",
            causes=["An administrator withdrew the key."],
            action=NEW_KEY,
            status=403,
        )
    if now >= key.expires_at:
        raise refuse(
            "KeyExpired",
            f'The registration key of the vault "{document.vault}" expired at'
            f" {key.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
            causes=["More than five days have passed since the key was generated."],
            action=NEW_KEY,
            status=403,
        )
    return key


def count_use(key: RegistrationKey) -> None:
    """Takes one use of a key that `admit_key` locked in this transaction.

    Raises:
        RefusedError: KeyUsedUp.
    """
    if key.uses >= key.max_uses:
        raise refuse(
            "KeyUsedUp",
            f"The registration key has been used {key.uses} times, as often as it may.",
            causes=["More servers were registered with the key than it was generated for."],
            action=NEW_KEY,
            status=403,
        )
    key.uses += 1
    key.save(update_fields=["uses"])


def unknown_key(document: KeyDocument) -> RefusedError:
    return refuse(
        "KeyForeign",
        f'The registration key was generated for a vault "{document.vault}" that this coordinator'
        " no longer knows.",
        causes=["The vault was deleted.", "The coordinator's database was restored or replaced."],
        action="Generate a registration key in an existing vault.",
        status=403,
    )
