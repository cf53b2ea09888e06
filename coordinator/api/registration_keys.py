"""Routes of registration keys; ASR made them in its portal only, so these are our own."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from ninja import Path, Router
from pydantic import StrictInt

from coordinator.api.addresses import KeyPath, VaultPath, read_uuid
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import REGISTRATION_KEY, VAULT
from coordinator.api.shapes.envelope import Resource, resource, written_time
from coordinator.vaults import queries, services
from coordinator.vaults.models import RegistrationKey
from coordinator.vaults.services import DEFAULT_MAX_USES, KeyIssuer, ensure_authority

router = Router()


class KeyProperties(RequestPart):
    """How often the key may be used."""

    maxUses: StrictInt = DEFAULT_MAX_USES  # noqa: N815 - the API's name


class KeyInput(RequestPart):
    """A key to make."""

    properties: KeyProperties = KeyProperties()


@router.post(f"{VAULT}/registrationKeys")
@served
def create_registration_key(
    request: HttpRequest, path: Path[VaultPath], body: KeyInput | None = None
) -> Answer:
    """Makes a key; the key file is in this answer and nowhere else."""
    call = open_vault(request, path)
    configuration = settings.CONFIGURATION
    issuer = KeyIssuer(
        ensure_authority(configuration.state / "ca", call.now), configuration.gateway_endpoint
    )
    max_uses = DEFAULT_MAX_USES if body is None else body.properties.maxUses
    made = services.generate_registration_key(
        call.vault, issuer, call.caller.name, call.now, max_uses
    )
    shape = _resource(call, made.key)
    properties = {**_properties(made.key, call.now), "keyFile": made.file.reveal()}
    response = JsonResponse({**shape, "properties": properties}, status=HTTPStatus.CREATED)
    response["Cache-Control"] = "no-store"
    return response


@router.get(f"{VAULT}/registrationKeys")
@served
def list_registration_keys(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Keys that were made, newest first, without their secrets."""
    call = open_vault(request, path)
    found = queries.list_registration_keys(call.vault.id)
    return page(request, lambda start, end: found[start:end], lambda key: _resource(call, key))


@router.get(REGISTRATION_KEY)
@served
def get_registration_key(request: HttpRequest, path: Path[KeyPath]) -> Answer:
    call = open_vault(request, path)
    key_id = read_uuid(path.key_name)
    key = None if key_id is None else queries.find_registration_key(call.vault.id, key_id)
    if key is None:
        raise _no_key(call, path.key_name)
    return _resource(call, key)


@router.post(f"{REGISTRATION_KEY}/revoke")
@served
def revoke_registration_key(request: HttpRequest, path: Path[KeyPath]) -> Answer:
    """Makes a key useless at once."""
    call = open_vault(request, path)
    key_id = read_uuid(path.key_name)
    if key_id is None:
        raise _no_key(call, path.key_name)
    return _resource(call, services.revoke_registration_key(call.vault, key_id, call.now))


def _resource(call: Call, key: RegistrationKey) -> Resource:
    key_id = call.ids.child(REGISTRATION_KEY, key_name=str(key.id))
    return resource(key_id, _properties(key, call.now))


def _properties(key: RegistrationKey, now: datetime) -> dict[str, object]:
    return {
        "state": _state(key, now),
        "createdAt": written_time(key.created_at),
        "createdBy": key.created_by,
        "expiresAt": written_time(key.expires_at),
        "revokedAt": written_time(key.revoked_at),
        "uses": key.uses,
        "maxUses": key.max_uses,
    }


def _state(key: RegistrationKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "Revoked"
    if now >= key.expires_at:
        return "Expired"
    return "UsedUp" if key.uses >= key.max_uses else "Valid"


def _no_key(call: Call, name: str) -> NotFoundError:
    return NotFoundError(call.ids.child(REGISTRATION_KEY, key_name=name))
