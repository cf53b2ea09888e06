"""Routes that change a vault: its tags are all there is to change."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.openapi.parameters import IF_MATCH, taking
from coordinator.api.paths import VAULT
from coordinator.api.preconditions import require_match
from coordinator.api.responses import shows
from coordinator.api.shapes.vaults import VaultResource, vault_etag, vault_resource
from coordinator.failures import refuse
from coordinator.vaults.services import set_tags

router = Router()


class VaultUpdate(RequestPart):
    """What is heeded of a vault's PATCH; SKU, identity and the like mean nothing here."""

    tags: dict[str, str] | None = None
    location: str | None = None


@router.patch(VAULT, response=shows(VaultResource), openapi_extra=taking(IF_MATCH))
@served
def patch_vault(request: HttpRequest, path: Path[VaultPath], body: VaultUpdate) -> Answer:
    """Gives a vault other tags; If-Match says which state of it they were made from."""
    vault = open_vault(request, path).vault
    require_match(request, vault_etag(vault), f'The vault "{vault.name}"')
    if body.location is not None and body.location != vault.location:
        raise refuse(
            "VaultLocationConflict",
            f'The vault "{vault.name}" is in location "{vault.location}" and cannot move.',
            causes=["A vault's location is chosen when it is made."],
            action="Leave the location out.",
            status=HTTPStatus.CONFLICT,
            field="location",
        )
    if body.tags is not None:
        set_tags(vault, body.tags)
    return vault_resource(vault)
