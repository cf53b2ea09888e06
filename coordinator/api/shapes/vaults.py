"""A vault in answers."""

from __future__ import annotations

from coordinator.api.paths import VaultId
from coordinator.api.shapes.envelope import Resource, resource
from coordinator.vaults.models import Vault


def vault_ids(vault: Vault) -> VaultId:
    return VaultId(str(vault.subscription_id), vault.resource_group, vault.name)


def vault_resource(vault: Vault) -> Resource:
    shape = resource(
        vault_ids(vault).id,
        {
            "provisioningState": "Succeeded",
            "privateEndpointStateForBackup": "None",
            "privateEndpointStateForSiteRecovery": "None",
        },
        vault.location,
    )
    return {**shape, "sku": {"name": "RS0", "tier": "Standard"}, "etag": str(vault.id)}
