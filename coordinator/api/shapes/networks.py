"""Logical networks, VM networks, mappings and adapters in answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from typing_extensions import TypedDict

from coordinator.api.paths import (
    FABRIC,
    LOGICAL_NETWORK,
    NETWORK,
    NETWORK_MAPPING,
    RECOVERY_NETWORK,
    VaultId,
)
from coordinator.api.shapes.envelope import ArmId, Envelope, Time, resource, written_time
from coordinator.api.shapes.fabrics import FABRIC_TYPE
from coordinator.fabrics.models import Fabric, FabricObject
from coordinator.protection.models import ItemAdapter, NetworkMapping, ProtectedItem
from coordinator.protection.queries import FabricNetwork
from coordinator.protection.rules import TargetOffer

SETTINGS_TYPE = "VmmToVmm"


class Subnet(TypedDict):
    name: str
    friendlyName: str
    addressList: list[str]


class NetworkProperties(TypedDict):
    fabricType: str
    friendlyName: str
    networkType: str
    subnets: list[Subnet]
    fabricFriendlyName: str
    logicalNetwork: str
    isolationType: str


class NetworkResource(Envelope):
    """A VM network."""

    properties: NetworkProperties


class LogicalNetworkProperties(TypedDict):
    friendlyName: str
    networkVirtualizationStatus: Literal["Enabled", "Disabled"]
    logicalNetworkUsage: str | None
    logicalNetworkDefinitionsStatus: Literal["Isolated", "NotIsolated"]


class LogicalNetworkResource(Envelope):
    """A logical network."""

    properties: LogicalNetworkProperties


class NetworkMappingSettings(TypedDict):
    instanceType: str


class NetworkMappingProperties(TypedDict):
    state: str
    primaryNetworkFriendlyName: str
    primaryNetworkId: ArmId
    primaryFabricFriendlyName: str
    recoveryNetworkFriendlyName: str
    recoveryNetworkId: ArmId
    recoveryFabricArmId: ArmId
    recoveryFabricFriendlyName: str
    fabricSpecificSettings: NetworkMappingSettings
    changedTime: Time


class NetworkMappingResource(Envelope):
    """A mapping of a VM network to one of the other server."""

    properties: NetworkMappingProperties


class OfferOfPair(TypedDict):
    """Whether a network could be mapped to for a pair of clouds."""

    primaryCloud: str
    recoveryCloud: str
    available: bool
    reason: str


class RecoveryNetworkProperties(TypedDict):
    friendlyName: str
    recoveryNetworkId: ArmId
    recoveryFabricFriendlyName: str
    logicalNetwork: str
    available: bool
    cloudPairs: list[OfferOfPair]


class RecoveryNetworkResource(Envelope):
    """A network that another could be mapped to. Beyond ASR's model."""

    properties: RecoveryNetworkProperties


class IpConfiguration(TypedDict):
    name: str
    isPrimary: bool
    subnetName: str | None
    staticIPAddress: str | None
    ipAddressType: Literal["Static", "Dynamic"]
    recoverySubnetName: str | None
    recoveryStaticIPAddress: str | None
    recoveryIPAddressType: Literal["Static", "Dynamic"]


class VmNic(TypedDict):
    """A network adapter of a machine, and what its replica's is connected to."""

    nicId: str
    replicaNicId: str | None
    vMNetworkName: str | None
    recoveryVMNetworkId: ArmId | None
    selectionType: Literal["SelectedByDefault", "NotSelected"]
    sourceNicArmId: None
    tfoVMNetworkId: None
    ipConfigs: list[IpConfiguration]
    macAddress: str
    sourceVMNetworkName: str | None
    connected: bool
    connectionReason: str
    connectionProblem: str | None
    recoveryAddressPool: str | None


def network_id(ids: VaultId, fabric: Fabric, name: str) -> str:
    return ids.child(NETWORK, fabric_name=fabric.name, network_name=name)


def network_resource(ids: VaultId, found: FabricNetwork) -> NetworkResource:
    """A VM network with its subnets."""
    network = found.network
    return resource(
        network_id(ids, found.fabric, network.id),
        {
            "fabricType": FABRIC_TYPE,
            "friendlyName": network.name,
            "networkType": "VMNetwork",
            "subnets": [
                {
                    "name": subnet.id,
                    "friendlyName": subnet.name,
                    "addressList": list(subnet.addresses),
                }
                for subnet in network.subnets
            ],
            # Beyond ASR's model.
            "fabricFriendlyName": found.fabric.friendly_name,
            "logicalNetwork": network.logical_network,
            "isolationType": network.isolation,
        },
    )


def logical_network_resource(
    ids: VaultId, fabric: Fabric, network: FabricObject
) -> LogicalNetworkResource:
    """A logical network; whether VMM tests failovers on it is not told by VMM."""
    virtualized = bool(network.details.get("network_virtualization"))
    isolated = bool(network.details.get("definitions_isolated"))
    name = network.external_id
    return resource(
        ids.child(LOGICAL_NETWORK, fabric_name=fabric.name, logical_network_name=name),
        {
            "friendlyName": network.name,
            "networkVirtualizationStatus": "Enabled" if virtualized else "Disabled",
            "logicalNetworkUsage": None,
            "logicalNetworkDefinitionsStatus": "Isolated" if isolated else "NotIsolated",
        },
    )


def network_mapping_id(ids: VaultId, fabric: Fabric, network: str, name: str) -> str:
    return ids.child(
        NETWORK_MAPPING, fabric_name=fabric.name, network_name=network, network_mapping_name=name
    )


def network_mapping_resource(ids: VaultId, mapping: NetworkMapping) -> NetworkMappingResource:
    """A mapping; it comes with its fabrics."""
    source, target = mapping.source_fabric, mapping.target_fabric
    return resource(
        network_mapping_id(ids, source, mapping.source_network_id, mapping.name),
        {
            "state": mapping.state,
            "primaryNetworkFriendlyName": mapping.source_network,
            "primaryNetworkId": network_id(ids, source, mapping.source_network_id),
            "primaryFabricFriendlyName": source.friendly_name,
            "recoveryNetworkFriendlyName": mapping.target_network,
            "recoveryNetworkId": network_id(ids, target, mapping.target_network_id),
            "recoveryFabricArmId": ids.child(FABRIC, fabric_name=target.name),
            "recoveryFabricFriendlyName": target.friendly_name,
            "fabricSpecificSettings": {"instanceType": SETTINGS_TYPE},
            # Beyond ASR's model.
            "changedTime": written_time(mapping.changed_at),
        },
    )


def recovery_network_resource(
    ids: VaultId, source: FabricNetwork, target_fabric: Fabric, offered: TargetOffer
) -> RecoveryNetworkResource:
    """A network that another could be mapped to, with the pairs of clouds it is about."""
    network = offered.network
    return resource(
        ids.child(
            RECOVERY_NETWORK,
            fabric_name=source.fabric.name,
            network_name=source.network.id,
            recovery_network_name=network.id,
        ),
        {
            "friendlyName": network.name,
            "recoveryNetworkId": network_id(ids, target_fabric, network.id),
            "recoveryFabricFriendlyName": target_fabric.friendly_name,
            "logicalNetwork": network.logical_network,
            "available": offered.offered,
            "cloudPairs": [
                {
                    "primaryCloud": each.pair.primary_cloud,
                    "recoveryCloud": each.pair.recovery_cloud,
                    "available": each.available,
                    "reason": each.reason,
                }
                for each in offered.pairs
            ],
        },
    )


def vm_nics(ids: VaultId, item: ProtectedItem, adapters: Iterable[ItemAdapter]) -> list[VmNic]:
    """ASR's VMNicDetails of a machine's adapters, with the reason for each connection."""
    return [_nic(ids, item, adapter) for adapter in adapters]


def _nic(ids: VaultId, item: ProtectedItem, adapter: ItemAdapter) -> VmNic:
    recovery = item.pairing.recovery_fabric
    target = adapter.target_network_id
    return {
        "nicId": adapter.device_id,
        "replicaNicId": adapter.replica_adapter_id or None,
        "vMNetworkName": adapter.target_network or None,
        "recoveryVMNetworkId": network_id(ids, recovery, target) if target else None,
        "selectionType": "SelectedByDefault" if target else "NotSelected",
        # A machine's adapter and its replica's are one by Hyper-V's id, and have no ids of Azure.
        "sourceNicArmId": None,
        "tfoVMNetworkId": None,
        "ipConfigs": [_ip_configuration(adapter)],
        # Beyond ASR's model.
        "macAddress": adapter.mac_address,
        "sourceVMNetworkName": adapter.source_network or None,
        "connected": adapter.connected,
        "connectionReason": adapter.reason,
        "connectionProblem": adapter.problem or None,
        "recoveryAddressPool": adapter.pool or None,
    }


def _ip_configuration(adapter: ItemAdapter) -> IpConfiguration:
    kept = adapter.address if adapter.reserved else ""
    return {
        "name": "ipv4",
        "isPrimary": True,
        "subnetName": adapter.source_subnet or None,
        "staticIPAddress": adapter.source_address if adapter.static_address else None,
        "ipAddressType": "Static" if adapter.static_address else "Dynamic",
        "recoverySubnetName": adapter.target_subnet or None,
        "recoveryStaticIPAddress": kept or None,
        "recoveryIPAddressType": "Static" if kept else "Dynamic",
    }
