"""Registration keys in answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

from coordinator.api.paths import REGISTRATION_KEY, VaultId
from coordinator.api.shapes.envelope import Envelope, Time, resource, written_time
from coordinator.vaults.models import RegistrationKey


class KeyProperties(TypedDict):
    state: Literal["Valid", "UsedUp", "Expired", "Revoked"]
    createdAt: Time
    createdBy: str
    expiresAt: Time
    revokedAt: Time | None
    uses: int
    maxUses: int


class NewKeyProperties(KeyProperties):
    keyFile: str


class KeyResource(Envelope):
    """A registration key, without its secret. Beyond ASR's model."""

    properties: KeyProperties


class NewKeyResource(Envelope):
    """A registration key that was just made, with the only copy of its file."""

    properties: NewKeyProperties


def key_id(ids: VaultId, name: str) -> str:
    return ids.child(REGISTRATION_KEY, key_name=name)


def key_resource(ids: VaultId, key: RegistrationKey, now: datetime) -> KeyResource:
    """A key as lists show it."""
    return resource(key_id(ids, str(key.id)), _properties(key, now))


def new_key_resource(
    ids: VaultId, key: RegistrationKey, key_file: str, now: datetime
) -> NewKeyResource:
    """A key with what is never shown again."""
    return resource(key_id(ids, str(key.id)), {**_properties(key, now), "keyFile": key_file})


def _properties(key: RegistrationKey, now: datetime) -> KeyProperties:
    return {
        "state": _state(key, now),
        "createdAt": written_time(key.created_at),
        "createdBy": key.created_by,
        "expiresAt": written_time(key.expires_at),
        "revokedAt": written_time(key.revoked_at),
        "uses": key.uses,
        "maxUses": key.max_uses,
    }


def _state(key: RegistrationKey, now: datetime) -> Literal["Valid", "UsedUp", "Expired", "Revoked"]:
    if key.revoked_at is not None:
        return "Revoked"
    if now >= key.expires_at:
        return "Expired"
    return "UsedUp" if key.uses >= key.max_uses else "Valid"
