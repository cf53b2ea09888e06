"""Routes of a vault's health: a summary of what is known of everything in it."""

from __future__ import annotations

from collections import Counter

from django.conf import settings
from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paths import VAULT
from coordinator.api.responses import shows
from coordinator.api.shapes.fabrics import NOT_CONNECTED
from coordinator.api.shapes.vault_health import (
    HEALTH,
    NAME,
    HealthSummary,
    VaultHealthResource,
    vault_health_resource,
)
from coordinator.fabrics import queries as fabrics
from coordinator.protection.queries import ailing_items, item_healths

router = Router()

WELL, ILL = "Normal", "Critical"


class HealthPath(VaultPath):
    health_name: str


@router.get(f"{VAULT}/replicationVaultHealth", response=shows(VaultHealthResource))
@served
def get_vault_health(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """How many items, servers and clouds fare well, and what ails the others."""
    return _health(open_vault(request, path))


@router.post(f"{HEALTH}/refresh", response=shows(VaultHealthResource))
@served
def refresh_vault_health(request: HttpRequest, path: Path[HealthPath]) -> Answer:
    """Puts a vault's health together anew, which each reading of it does as well."""
    call = open_vault(request, path)
    if path.health_name.lower() != NAME.lower():
        raise NotFoundError(call.ids.child(HEALTH, health_name=path.health_name))
    return _health(call)


def _health(call: Call) -> Answer:
    servers = HealthSummary("replicationFabrics")
    well: dict[object, str] = {}
    connected = {
        provider.fabric_id
        for provider in fabrics.list_providers(call.vault.id)
        if fabrics.is_connected(provider, call.now, settings.CONFIGURATION.lease_seconds)
    }
    for fabric in fabrics.list_fabrics(call.vault.id):
        well[fabric.id] = WELL if fabric.id in connected else ILL
        servers.healths.update([well[fabric.id]])
        if fabric.id not in connected:
            servers.ail(str(fabric.id), [NOT_CONNECTED])
    # A cloud is seen through its server.
    clouds = HealthSummary(
        "replicationProtectionContainers",
        Counter(well[cloud.fabric_id] for cloud in fabrics.list_clouds(call.vault.id)),
    )
    return vault_health_resource(call.ids, _items(call), servers, clouds)


def _items(call: Call) -> HealthSummary:
    summary = HealthSummary("replicationProtectedItems", item_healths(call.vault.id))
    for item in ailing_items(call.vault.id):
        summary.shift(item.replication_health, item.errors)
        summary.ail(str(item.item_id), item.errors)
    return summary
