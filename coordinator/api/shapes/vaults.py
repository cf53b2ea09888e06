"""A vault in answers."""

from __future__ import annotations

from coordinator.api.paths import VaultId
from coordinator.api.shapes.envelope import Resource, resource, written_time
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
    return {
        **shape,
        "sku": {"name": "RS0", "tier": "Standard"},
        "tags": vault.tags,
        "etag": vault_etag(vault),
        "systemData": {"createdAt": written_time(vault.created_at)},
    }


def vault_etag(vault: Vault) -> str:
    """Changes with the vault; one that was made anew under its name has others."""
    return f'"{vault.id}-{vault.revision}"'
