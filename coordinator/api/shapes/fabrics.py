"""VMM servers and their providers in answers."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from coordinator.api.paths import FABRIC, PROVIDER, VaultId
from coordinator.api.shapes.envelope import Envelope, Time, resource, written_time
from coordinator.api.shapes.health import HealthError, health_error
from coordinator.fabrics.models import Fabric, Provider

FABRIC_TYPE = "VMM"
NOT_CONNECTED = {
    "errorSource": "Fabric",
    "errorType": "Connection",
    "errorLevel": "Error",
    "errorCategory": "FabricInfrastructure",
    "errorCode": "25018",
    "summaryMessage": "The server is not connected.",
    "errorMessage": "The provider on the server has not been heard of lately.",
    "possibleCauses": "The server or its agent is stopped.\nThe network between the server and"
    " the coordinator is down.",
    "recommendedAction": "Check that the agent's service runs and reaches the coordinator's port.",
}


class Encryption(TypedDict):
    kekState: str
    kekCertThumbprint: str | None


class FabricDetails(TypedDict):
    instanceType: str
    vmmServer: str
    productVersion: str
    synchronizeAllClouds: bool
    inventoryRevision: int
    inventoryTime: Time | None


class FabricProperties(TypedDict):
    friendlyName: str
    encryptionDetails: Encryption
    rolloverEncryptionDetails: Encryption
    internalIdentifier: str
    bcdrState: str
    customDetails: FabricDetails
    healthErrorDetails: list[HealthError]
    health: str


class FabricResource(Envelope):
    """A VMM server."""

    properties: FabricProperties


class VersionDetails(TypedDict):
    version: str
    expiryDate: None
    status: str


class ProviderProperties(TypedDict):
    fabricType: str
    friendlyName: str
    fabricFriendlyName: str
    providerVersion: str
    providerVersionDetails: VersionDetails
    providerVersionState: str
    providerVersionExpiryDate: None
    serverVersion: str
    lastHeartBeat: Time | None
    connectionStatus: Literal["Connected", "NotConnected"]
    protectedItemCount: int
    allowedScenarios: list[str]
    healthErrorDetails: list[HealthError]
    draIdentifier: str
    machineId: str
    machineName: str
    biosId: None
    authenticationIdentityDetails: None
    resourceAccessIdentityDetails: None
    dataPlaneAuthenticationIdentityDetails: None


class ProviderResource(Envelope):
    """The provider (agent) of a VMM server."""

    properties: ProviderProperties


def fabric_resource(ids: VaultId, fabric: Fabric, *, connected: bool) -> FabricResource:
    """A fabric; it is in good health as long as its provider is connected."""
    return resource(
        ids.child(FABRIC, fabric_name=fabric.name),
        {
            "friendlyName": fabric.friendly_name,
            "encryptionDetails": {"kekState": "None", "kekCertThumbprint": None},
            "rolloverEncryptionDetails": {"kekState": "None", "kekCertThumbprint": None},
            "internalIdentifier": str(fabric.id),
            "bcdrState": "Valid",
            "customDetails": {
                "instanceType": FABRIC_TYPE,
                # Beyond ASR's model, which has nothing more for VMM.
                "vmmServer": fabric.vmm_fqdn,
                "productVersion": fabric.vmm_product_version,
                "synchronizeAllClouds": fabric.synchronize_all_clouds,
                "inventoryRevision": fabric.inventory_revision,
                "inventoryTime": written_time(fabric.inventory_at),
            },
            "healthErrorDetails": [] if connected else [health_error(NOT_CONNECTED)],
            "health": "Normal" if connected else "Critical",
        },
    )


def provider_resource(
    ids: VaultId, provider: Provider, *, connected: bool, protected_items: int
) -> ProviderResource:
    """A provider.

    Args:
        ids: The vault's.
        provider: With its fabric.
        connected: Whether it was heard of lately.
        protected_items: How many items its server protects.
    """
    fabric = provider.fabric
    return resource(
        ids.child(PROVIDER, fabric_name=fabric.name, provider_name=provider.name),
        {
            "fabricType": FABRIC_TYPE,
            "friendlyName": fabric.friendly_name,
            "fabricFriendlyName": fabric.friendly_name,
            "providerVersion": provider.agent_version,
            "providerVersionDetails": {
                "version": provider.agent_version,
                "expiryDate": None,
                "status": "Supported",
            },
            "providerVersionState": "Latest",
            "providerVersionExpiryDate": None,
            "serverVersion": fabric.vmm_product_version,
            "lastHeartBeat": written_time(provider.last_heartbeat_at),
            "connectionStatus": "Connected" if connected else "NotConnected",
            "protectedItemCount": protected_items,
            "allowedScenarios": [],
            "healthErrorDetails": [] if connected else [health_error(NOT_CONNECTED)],
            "draIdentifier": str(provider.id),
            "machineId": fabric.installation_id,
            "machineName": fabric.vmm_fqdn,
            # Of servers that Azure Active Directory knows.
            "biosId": None,
            "authenticationIdentityDetails": None,
            "resourceAccessIdentityDetails": None,
            "dataPlaneAuthenticationIdentityDetails": None,
        },
    )
