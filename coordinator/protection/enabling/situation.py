"""What the inventory knows of a machine's replication and of copies of it at the recovery site."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import VirtualMachine
from coordinator.protection.enabling.variants import (
    DiskShape,
    KnownCopy,
    KnownRelationship,
    Situation,
)
from coordinator.protection.inventory import machine_message
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.policies.rules import InitialReplicationMethod
from coordinator.protection.sides import ItemSide


def situation_of(
    machine: VirtualMachine,
    pairing: Pairing,
    side: ItemSide,
    names: Mapping[str, Collection[str]],
) -> Situation:
    """Gathers what the choice of the first copy's variant depends on.

    Args:
        machine: The one to protect.
        pairing: Its clouds' pairing, with the policy.
        side: The host that has it, as the pairing configured it.
        names: Of the recovery cloud's hosts, see `recovery_hosts`.
    """
    copies = _copies(machine, pairing, set(names))
    by_name = {name: fqdn for fqdn, known in names.items() for name in known}
    # A broker stands for all hosts of its cluster: the one that has the copy is meant.
    by_name |= {name: copy.host for copy in copies for name in names[copy.host]}
    message = machine_message(machine)
    relationship = message.replication if message.HasField("replication") else None
    return Situation(
        machine=machine.name,
        host=side.host,
        own_names=frozenset({side.host.lower(), side.connection_point.lower()}),
        disks=_disks(machine),
        relationship=None
        if relationship is None
        else KnownRelationship(
            mode=relationship.mode,
            state=relationship.state,
            primary_server=relationship.primary_server,
            replica_server=relationship.replica_server,
            extended=relationship.extended,
        ),
        recovery_cloud=pairing.recovery_cloud.name,
        recovery_hosts=by_name,
        copies=copies,
        single_server=pairing.primary_fabric_id == pairing.recovery_fabric_id,
        offline=pairing.policy.initial_replication_method == InitialReplicationMethod.OFFLINE,
    )


def recovery_hosts(pairing: Pairing) -> Mapping[str, Collection[str]]:
    """Names others replicate to the recovery cloud's hosts under, by the hosts' FQDNs."""
    hosts = fabrics.hosts_of_cloud(pairing.recovery_cloud)
    names: dict[str, set[str]] = {}
    paired = PairedHost.objects.filter(pairing=pairing, host__in=hosts)
    for name, point in paired.values_list("host__name", "connection_point"):
        names.setdefault(name, {name.lower()}).update({point.lower()} if point else ())
    return names


def _copies(machine: VirtualMachine, pairing: Pairing, hosts: set[str]) -> tuple[KnownCopy, ...]:
    found = fabrics.machines_with_vm_id(pairing.recovery_fabric_id, machine.vm_id)
    return tuple(
        KnownCopy(
            host=copy.host_fqdn.lower(),
            mode=machine_message(copy).replication.mode,
            disks=_disks(copy),
        )
        for copy in found
        if copy.pk != machine.pk and copy.gone_at is None and copy.host_fqdn.lower() in hosts
    )


def _disks(machine: VirtualMachine) -> tuple[DiskShape, ...]:
    return tuple(
        DiskShape(disk.path or disk.name, max(disk.maximum_size_bytes, disk.size_bytes))
        for disk in machine_message(machine).disks
    )
