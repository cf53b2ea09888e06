"""A vault in answers."""

from __future__ import annotations

from typing_extensions import TypedDict

from coordinator.api.paths import VaultId
from coordinator.api.shapes.envelope import Envelope, ResourceOf, Time, resource, written_time
from coordinator.vaults.models import Vault


class VaultProperties(TypedDict):
    provisioningState: str
    privateEndpointStateForBackup: str
    privateEndpointStateForSiteRecovery: str


class VaultSku(TypedDict):
    name: str
    tier: str


class SystemData(TypedDict):
    createdAt: Time


class VaultResource(Envelope):
    """A Recovery Services vault."""

    properties: VaultProperties
    sku: VaultSku
    tags: dict[str, str]
    etag: str
    systemData: SystemData  # noqa: N815 - ARM's name


class VaultSettingProperties(TypedDict):
    """Both are of other scenarios, and never set."""

    migrationSolutionId: None
    vmwareToAzureProviderType: None


class VaultSettingResource(Envelope):
    """The settings of a vault."""

    properties: VaultSettingProperties


def vault_ids(vault: Vault) -> VaultId:
    return VaultId(str(vault.subscription_id), vault.resource_group, vault.name)


def vault_resource(vault: Vault) -> VaultResource:
    shape: ResourceOf[VaultProperties] = resource(
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
