"""Routes of registration keys; ASR made them in its portal only, so these are our own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from ninja import Path, Router
from pydantic import StrictInt, WithJsonSchema

from coordinator.api.addresses import KeyPath, VaultPath, read_uuid
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import REGISTRATION_KEY, VAULT
from coordinator.api.responses import lists, makes, shows
from coordinator.api.shapes.registration_keys import (
    KeyResource,
    NewKeyResource,
    key_resource,
    new_key_resource,
)
from coordinator.vaults import queries, services
from coordinator.vaults.services import DEFAULT_MAX_USES, KeyIssuer, ensure_authority

router = Router()

USES = {"type": "integer", "minimum": 1, "maximum": 1000}


class KeyInputProperties(RequestPart):
    """How often the key may be used."""

    maxUses: Annotated[StrictInt, WithJsonSchema(USES)] = DEFAULT_MAX_USES  # noqa: N815 - the API's name


class KeyInput(RequestPart):
    """A key to make."""

    properties: KeyInputProperties = KeyInputProperties()


@router.post(f"{VAULT}/registrationKeys", response=makes(NewKeyResource, made_anew=False))
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
    shape = new_key_resource(call.ids, made.key, made.file.reveal(), call.now)
    response = JsonResponse(shape, status=HTTPStatus.CREATED)
    response["Cache-Control"] = "no-store"
    return response


@router.get(f"{VAULT}/registrationKeys", response=lists(KeyResource))
@served
def list_registration_keys(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Keys that were made, newest first, without their secrets."""
    call = open_vault(request, path)
    found = queries.list_registration_keys(call.vault.id)
    return page(
        request,
        lambda start, end: found[start:end],
        lambda key: key_resource(call.ids, key, call.now),
    )


@router.get(REGISTRATION_KEY, response=shows(KeyResource))
@served
def get_registration_key(request: HttpRequest, path: Path[KeyPath]) -> Answer:
    call = open_vault(request, path)
    key_id = read_uuid(path.key_name)
    key = None if key_id is None else queries.find_registration_key(call.vault.id, key_id)
    if key is None:
        raise _no_key(call, path.key_name)
    return key_resource(call.ids, key, call.now)


@router.post(f"{REGISTRATION_KEY}/revoke", response=shows(KeyResource))
@served
def revoke_registration_key(request: HttpRequest, path: Path[KeyPath]) -> Answer:
    """Makes a key useless at once."""
    call = open_vault(request, path)
    key_id = read_uuid(path.key_name)
    if key_id is None:
        raise _no_key(call, path.key_name)
    key = services.revoke_registration_key(call.vault, key_id, call.now)
    return key_resource(call.ids, key, call.now)


def _no_key(call: Call, name: str) -> NotFoundError:
    return NotFoundError(call.ids.child(REGISTRATION_KEY, key_name=name))
