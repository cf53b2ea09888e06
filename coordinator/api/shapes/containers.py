"""VMM clouds in answers."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import TypedDict

from coordinator.api.paths import CONTAINER, VaultId
from coordinator.api.shapes.envelope import Envelope, resource
from coordinator.api.shapes.fabrics import FABRIC_TYPE
from coordinator.fabrics.models import Cloud


class ContainerDetails(TypedDict):
    instanceType: str


class ContainerProperties(TypedDict):
    fabricFriendlyName: str
    friendlyName: str
    fabricType: str
    protectedItemCount: int
    pairingStatus: str
    role: str
    fabricSpecificDetails: ContainerDetails


class ContainerResource(Envelope):
    """A protection container: a cloud of a VMM server."""

    properties: ContainerProperties


@dataclass(frozen=True)
class CloudPairing:
    """What pairing means for a cloud.

    Attributes:
        role: "Primary", "Recovery", or "" when the cloud is in no pair.
        status: "Paired", "NotPaired", or the pairing's state while it is neither.
        protected_items: How many items the cloud protects.
    """

    role: str = ""
    status: str = "NotPaired"
    protected_items: int = 0


def container_id(ids: VaultId, cloud: Cloud) -> str:
    return ids.child(CONTAINER, fabric_name=cloud.fabric.name, container_name=cloud.external_id)


def container_resource(ids: VaultId, cloud: Cloud, pairing: CloudPairing) -> ContainerResource:
    """A protection container; the cloud comes with its fabric."""
    return resource(
        container_id(ids, cloud),
        {
            "fabricFriendlyName": cloud.fabric.friendly_name,
            "friendlyName": cloud.name,
            "fabricType": FABRIC_TYPE,
            "protectedItemCount": pairing.protected_items,
            "pairingStatus": pairing.status,
            "role": pairing.role,
            "fabricSpecificDetails": {"instanceType": FABRIC_TYPE},
        },
    )
