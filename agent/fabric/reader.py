"""Looks at a fabric again and again: everything now and then, in between only what has changed."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from opensiterecovery.provider.v1 import inventory_pb2

from agent.clock import Clock, utc_now
from agent.fabric.brokers import read_brokers
from agent.fabric.census import (
    CENSUS,
    WHEREABOUTS,
    Whereabouts,
    census_of,
    read_census,
    whereabouts_by_id,
)
from agent.fabric.chosen import told_of
from agent.fabric.discovery import (
    FEW,
    QUESTIONS,
    Answers,
    Surroundings,
    Vmm,
    machines,
    surroundings,
)
from agent.fabric.inventory import Inventory, inventory_of
from agent.fabric.relationships import HostRelationships, OfHost, read_relationships
from agent.fabric.virtual_machines import (
    DISK_DRIVES,
    HARD_DISKS_OF_MACHINES,
    NETWORK_ADAPTERS,
    VIRTUAL_MACHINES,
)
from agent.fabric.vmm import modified_after, object_id, with_ids
from agent.powershell.records import PSRecord

log = structlog.get_logger(__name__)

HOST_LIMIT_SECONDS: Final = 60.0
"""For a host's or cluster's answer: one that hangs holds up what VMM has said of all others."""


@dataclass
class Memory:
    """What the last look left, for the next to compare with.

    Attributes:
        mark: The latest time at which VMM says a machine was modified; None before any was seen.
        places: Where VMM has its machines, also those the product leaves out; by VMM's id.
        machines: Machines as they are told of, without relationships; by VMM's id.
        relationships: What hosts said, by FQDN.
        brokers: Replica brokers by cluster, empty for none.
        whole_at: When everything was read last, by the monotonic clock.
    """

    mark: datetime | None = None
    places: dict[str, Whereabouts] = field(default_factory=dict)
    machines: dict[str, inventory_pb2.InventoryObject] = field(default_factory=dict)
    relationships: dict[str, OfHost] = field(default_factory=dict)
    brokers: dict[str, str] = field(default_factory=dict)
    whole_at: float = 0.0

    def forget_relationships(self, touched: Iterable[tuple[str, str]]) -> None:
        """Of machines, by host and Hyper-V's id: what was said before commands changed them."""
        for host, vm_id in touched:
            kept = self.relationships.get(host, {})
            self.relationships[host] = {key: kept[key] for key in kept if key != vm_id}


class FabricReader:
    """Reads a fabric; remembers what it saw, so that a look costs what has changed.

    VMM is asked which machines it modified since the last look, and for a census: how many there
    are on each host, in each state, in each cloud. When the census does not fit what is known,
    something moved or went without a trace, and the whereabouts of all machines are asked for.
    Everything is read again at an interval, for what none of these can show.

    Args:
        vmm: Where questions go.
        whole_interval_seconds: Between two readings of everything.
        monotonic: Seconds, for that interval.
        clock: The VMM server's, on which this runs.
    """

    def __init__(
        self,
        vmm: Vmm,
        whole_interval_seconds: float = 900.0,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Clock = utc_now,
    ) -> None:
        self.chosen_clouds_only = False
        self.unread_hosts: frozenset[str] = frozenset()
        self._vmm = vmm
        self._whole_interval_seconds = whole_interval_seconds
        self._host_limit_seconds = min(vmm.time_limit_seconds, HOST_LIMIT_SECONDS)
        self._monotonic = monotonic
        self._clock = clock
        self._memory: Memory | None = None
        self._merged: dict[
            str,
            tuple[
                inventory_pb2.InventoryObject,
                inventory_pb2.ReplicationRelationship,
                inventory_pb2.InventoryObject,
            ],
        ] = {}

    async def look(
        self, *, whole: bool = False, touched: Collection[tuple[str, str]] = ()
    ) -> Inventory:
        """Looks once.

        Args:
            whole: Reads everything, whatever was read before.
            touched: Host and Hyper-V's id, lower case, of machines that commands have changed:
                nothing that was known of their replication before counts any more.

        Returns:
            All that may be told of. An object that did not change is the one of the last look.

        Raises:
            PowerShellError, PropertyError: The fabric could not be read; nothing is forgotten.
        """
        memory = self._memory
        if memory is not None:
            memory.forget_relationships(touched)
        due = memory is None or (
            self._monotonic() - memory.whole_at >= self._whole_interval_seconds
        )
        if memory is None or whole or due:
            return await self._read_whole()
        return await self._read_changes(memory, {host for host, _ in touched})

    async def _read_whole(self) -> Inventory:
        started_at = self._monotonic()
        found = await self._vmm.ask(*QUESTIONS)
        around, built = await asyncio.to_thread(self._build, found)
        records = found[VIRTUAL_MACHINES]
        known = self._memory or Memory()
        memory = Memory(
            mark=latest(records, None, self._clock()),
            places=whereabouts_by_id(records),
            machines=unchanged(known.machines, built),
            relationships=dict(known.relationships),
            brokers=dict(known.brokers),
            whole_at=started_at,
        )
        await self._ask_clusters(memory, around, clusters_of(around))
        await self._ask_hosts(memory, around, answering_hosts(around))
        self._memory = memory
        return self._told(around, memory)

    def _build(
        self, found: Answers
    ) -> tuple[Surroundings, dict[str, inventory_pb2.InventoryObject]]:
        around = surroundings(found, chosen_clouds_only=self.chosen_clouds_only)
        return around, {item.virtual_machine.id: item for item in machines(found, around)}

    async def _read_changes(self, memory: Memory, hosts: Collection[str]) -> Inventory:
        changed = VIRTUAL_MACHINES
        if memory.mark is not None:
            changed = changed.where(modified_after(memory.mark))
        found = await self._vmm.ask(*FEW, changed, CENSUS)
        around = surroundings(found, chosen_clouds_only=self.chosen_clouds_only)
        records = {object_id(record): record for record in found[changed]}
        places = {**memory.places, **whereabouts_by_id(records.values())}
        if census_of(places) != read_census(found[CENSUS]):
            places = whereabouts_by_id(await self._vmm.ask_one(WHEREABOUTS))
            moved = {key for key, place in places.items() if memory.places.get(key) != place}
            missing = moved - records.keys()
            if missing:
                late = await self._vmm.ask_one(VIRTUAL_MACHINES.where(with_ids(missing)))
                records.update({object_id(record): record for record in late})
        known = {key: item for key, item in memory.machines.items() if key in places}
        if records:
            fresh = await self._read_machines(records, around)
            known = {key: item for key, item in known.items() if key not in records}
            known.update(unchanged(memory.machines, fresh))
        after = Memory(
            mark=latest(records.values(), memory.mark, self._clock()),
            places=places,
            machines=known,
            relationships=dict(memory.relationships),
            brokers=dict(memory.brokers),
            whole_at=memory.whole_at,
        )
        # A broker stays where it is; one that was missing may be made any time.
        without = [name for name in clusters_of(around) if not after.brokers.get(name)]
        await self._ask_clusters(after, around, without)
        asked = replicating_hosts(after, records).union(hosts)
        await self._ask_hosts(after, around, asked & answering_hosts(around))
        log.debug("inventory.changes_read", machines=len(records))
        self._memory = after
        return self._told(around, after)

    async def _read_machines(
        self, records: Mapping[str, PSRecord], around: Surroundings
    ) -> dict[str, inventory_pb2.InventoryObject]:
        """The devices of machines, and the machines made of both."""
        drives, disks, adapters = (
            question.where(with_ids(records))
            for question in (DISK_DRIVES, HARD_DISKS_OF_MACHINES, NETWORK_ADAPTERS)
        )
        answers = await self._vmm.ask(drives, disks, adapters)
        found = {
            VIRTUAL_MACHINES: list(records.values()),
            DISK_DRIVES: answers[drives],
            disks: answers[disks],
            NETWORK_ADAPTERS: answers[adapters],
        }
        built = await asyncio.to_thread(lambda: list(machines(found, around, disks)))
        return {item.virtual_machine.id: item for item in built}

    async def _ask_hosts(self, memory: Memory, around: Surroundings, asked: Iterable[str]) -> None:
        """Learns relationships; a host that cannot be asked keeps what it said before.

        It counts as unread until it has been asked: a look at what has changed asks few hosts.
        """
        present = hosts_of(around)
        answer: HostRelationships = await read_relationships(
            self._vmm.powershell, asked, time_limit_seconds=self._host_limit_seconds
        )
        silent = present - answering_hosts(around)
        self.unread_hosts = (self.unread_hosts - answer.read.keys() | answer.unread | silent) & (
            present
        )
        memory.relationships.update(answer.read)
        for host in [host for host in memory.relationships if host not in present]:
            del memory.relationships[host]

    async def _ask_clusters(
        self, memory: Memory, around: Surroundings, asked: Collection[str]
    ) -> None:
        """Learns replica brokers; a cluster that cannot be asked keeps what it said before."""
        answer = await read_brokers(
            self._vmm.powershell, asked, time_limit_seconds=self._host_limit_seconds
        )
        present = clusters_of(around)
        memory.brokers.update(answer.read)
        memory.brokers = {name: memory.brokers.get(name, "") for name in present}
        for key, item in around.inventory.items():
            if key.kind == "host_cluster":
                cluster = item.host_cluster
                cluster.replica_broker_fqdn = memory.brokers[cluster.fqdn]
                cluster.replica_broker_problem = answer.unread.get(cluster.fqdn, "")

    def _told(self, around: Surroundings, memory: Memory) -> Inventory:
        items = [self._with_relationship(item, memory) for item in memory.machines.values()]
        self._merged = {key: kept for key, kept in self._merged.items() if key in memory.machines}
        return told_of({**around.inventory, **inventory_of(items)}, around.chosen)

    def _with_relationship(
        self, item: inventory_pb2.InventoryObject, memory: Memory
    ) -> inventory_pb2.InventoryObject:
        machine = item.virtual_machine
        relationship = memory.relationships.get(machine.host_fqdn.lower(), {}).get(machine.vm_id)
        if relationship is None:
            return item
        kept = self._merged.get(machine.id)
        if kept is not None and kept[0] is item and kept[1] == relationship:
            return kept[2]
        merged = inventory_pb2.InventoryObject()
        merged.CopyFrom(item)
        merged.virtual_machine.replication.CopyFrom(relationship)
        self._merged[machine.id] = (item, relationship, merged)
        return merged


def latest(records: Iterable[PSRecord], mark: datetime | None, now: datetime) -> datetime | None:
    """The latest time of modification among records and a former one.

    A time still to come, left by a clock that was wrong, is none: what changes until then would
    not be asked for.
    """
    times = [record.optional_moment("ModifiedTime") for record in records]
    past = [at for at in times if at is not None and at <= now]
    return max([*past, *([] if mark is None else [mark])], default=None)


def unchanged(
    before: Mapping[str, inventory_pb2.InventoryObject],
    now: Mapping[str, inventory_pb2.InventoryObject],
) -> dict[str, inventory_pb2.InventoryObject]:
    """What is now, the very objects of before where they are equal."""
    return {
        key: before[key] if key in before and before[key] == item else item
        for key, item in now.items()
    }


def clusters_of(around: Surroundings) -> list[str]:
    """FQDNs of the host clusters there are."""
    return [
        item.host_cluster.fqdn
        for key, item in around.inventory.items()
        if key.kind == "host_cluster"
    ]


def hosts_of(around: Surroundings) -> frozenset[str]:
    """FQDNs of the hosts there are, lower case."""
    return frozenset(
        item.host.fqdn.lower() for key, item in around.inventory.items() if key.kind == "host"
    )


def answering_hosts(around: Surroundings) -> frozenset[str]:
    """FQDNs of the hosts that VMM reaches: asking the others would only wait for a time limit."""
    return frozenset(
        item.host.fqdn.lower()
        for key, item in around.inventory.items()
        if key.kind == "host" and item.host.communication_state in {"", "Responding"}
    )


def replicating_hosts(memory: Memory, changed: Iterable[str]) -> frozenset[str]:
    """Hosts with a machine that changed and that is, or was, one side of a replication.

    What is told of a machine that changed is then as fresh as the look, its replication included.
    """
    found = [memory.machines[key].virtual_machine for key in changed if key in memory.machines]
    return frozenset(
        machine.host_fqdn.lower()
        for machine in found
        if machine.host_fqdn and (machine.primary or machine.recovery or _was_side(memory, machine))
    )


def _was_side(memory: Memory, machine: inventory_pb2.VirtualMachine) -> bool:
    return machine.vm_id in memory.relationships.get(machine.host_fqdn.lower(), {})
