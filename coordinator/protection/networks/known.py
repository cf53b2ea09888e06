"""What the fabric tables say of networks, in the terms of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from google.protobuf import json_format
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, FabricObject, VirtualMachine
from coordinator.protection.inventory import machine_message
from coordinator.protection.models import Pairing
from coordinator.protection.networks.facts import (
    Adapter,
    CloudPair,
    Network,
    Pool,
    Subnet,
    TargetSite,
)

STATIC = "Static"


def networks_of(fabric_id: UUID) -> dict[str, Network]:
    """VM networks that a server has, by VMM's id."""
    found = map(network_fact, fabrics.list_objects(fabric_id, "vm_network"))
    return {network.id: network for network in found}


def network_fact(found: FabricObject) -> Network:
    """A VM network as the provider told of it."""
    message = json_format.ParseDict(
        found.details, inventory_pb2.VmNetwork(), ignore_unknown_fields=True
    )
    return Network(
        id=found.external_id,
        name=found.name,
        logical_network=message.logical_network,
        isolation=message.isolation_type,
        subnets=tuple(
            Subnet(subnet.id, subnet.name, tuple(subnet.subnets)) for subnet in message.subnets
        ),
    )


def pools_of(fabric_id: UUID) -> tuple[Pool, ...]:
    """Static address pools of a server."""
    return tuple(map(_pool, fabrics.list_objects(fabric_id, "static_address_pool")))


def _pool(found: FabricObject) -> Pool:
    message = json_format.ParseDict(
        found.details, inventory_pb2.StaticAddressPool(), ignore_unknown_fields=True
    )
    return Pool(
        id=found.external_id,
        name=found.name,
        subnet=message.subnet,
        first_address=message.first_address,
        last_address=message.last_address,
        vm_subnet_id=message.vm_subnet_id,
        logical_network=message.logical_network,
        default_gateways=tuple(message.default_gateways),
        dns_servers=tuple(message.dns_servers),
    )


def site_of(cloud: Cloud) -> TargetSite:
    """A cloud with its server's networks and pools."""
    return TargetSite(
        cloud=cloud.name,
        logical_networks=logical_networks_of(cloud),
        networks=networks_of(cloud.fabric_id),
        pools=pools_of(cloud.fabric_id),
    )


@dataclass
class KnownSites:
    """Clouds with their networks, each read once."""

    _sites: dict[int, TargetSite] = field(default_factory=dict)

    def of(self, cloud: Cloud) -> TargetSite:
        if cloud.pk not in self._sites:
            self._sites[cloud.pk] = site_of(cloud)
        return self._sites[cloud.pk]


def logical_networks_of(cloud: Cloud) -> frozenset[str]:
    return frozenset(str(name) for name in cloud.details.get("logical_networks", []))


def adapters_of(machine: VirtualMachine) -> tuple[Adapter, ...]:
    """The adapters of a machine, by slot."""
    return adapter_facts(machine_message(machine).adapters)


def adapter_facts(
    messages: Iterable[inventory_pb2.VirtualNetworkAdapter],
) -> tuple[Adapter, ...]:
    """Adapters as the inventory tells of them; an older provider tells no Hyper-V id."""
    found = [
        Adapter(
            device_id=message.device_id or message.id,
            id=message.id,
            slot=message.slot,
            mac_address=message.mac_address,
            network_id=message.vm_network_id,
            network=message.vm_network,
            subnet=message.vm_subnet,
            static=message.ipv4_address_type == STATIC,
            addresses=tuple(message.ipv4_addresses),
        )
        for message in messages
    ]
    return tuple(sorted(found, key=lambda adapter: (adapter.slot, adapter.device_id)))


def machine_on(fabric_id: UUID, vm_id: str, host: str) -> VirtualMachine | None:
    """The copy of a machine on a host, as the server knows it."""
    copies = fabrics.machines_with_vm_id(fabric_id, vm_id)
    on_host = [copy for copy in copies if copy.host_fqdn.lower() == host.lower()]
    return next(iter(on_host or copies), None) if len(copies) < 2 or on_host else None


def cloud_pairs(vault_id: UUID, source_fabric_id: UUID, target_fabric_id: UUID) -> list[CloudPair]:
    """The pairs of clouds between two servers, by the protected cloud's name."""
    there = _paired_clouds(vault_id, source_fabric_id, target_fabric_id)
    # A failed-over machine's network can be mapped the other way.
    back = _paired_clouds(vault_id, target_fabric_id, source_fabric_id)
    return [_pair(primary, recovery) for primary, recovery in there] + [
        _pair(recovery, primary)
        for primary, recovery in sorted(back, key=lambda clouds: clouds[1].name)
    ]


def _paired_clouds(
    vault_id: UUID, primary_fabric_id: UUID, recovery_fabric_id: UUID
) -> list[tuple[Cloud, Cloud]]:
    """Primary and recovery cloud of pairings, once however many generations they are paired for."""
    pairings = (
        Pairing.objects.filter(
            vault_id=vault_id,
            primary_fabric_id=primary_fabric_id,
            recovery_fabric_id=recovery_fabric_id,
        )
        .select_related("primary_cloud", "recovery_cloud")
        .order_by("primary_cloud__name")
    )
    return list(dict.fromkeys((each.primary_cloud, each.recovery_cloud) for each in pairings))


def _pair(protected: Cloud, protecting: Cloud) -> CloudPair:
    machines = VirtualMachine.objects.filter(
        fabric_id=protected.fabric_id, cloud_external_id=protected.external_id, gone_at=None
    )
    used = {
        adapter.get("vm_network_id", "")
        for adapters in machines.values_list("details__adapters", flat=True)
        for adapter in adapters or ()
    } - {""}
    return CloudPair(
        primary_cloud=protected.name,
        recovery_cloud=protecting.name,
        primary_logical_networks=logical_networks_of(protected),
        used_networks=frozenset(used),
        recovery_logical_networks=logical_networks_of(protecting),
    )
