"""Relationships of Hyper-V Replica that hosts have, whoever made them; one pipeline a host."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog
from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import unsigned
from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError, PSRecord

log = structlog.get_logger(__name__)

RELATIONSHIP_PROPERTIES: Final = (
    "VMId",
    "ReplicationMode",
    "ReplicationState",
    "ReplicationHealth",
    "ReplicationRelationshipType",
    "PrimaryServerName",
    "ReplicaServerName",
    "ReplicationFrequencySec",
    "AuthenticationType",
    "ReplicaServerPort",
)
HOSTS_AT_ONCE: Final = 4

OfHost: TypeAlias = Mapping[str, inventory_pb2.ReplicationRelationship]
"""By Hyper-V's id of the machine."""


@dataclass(frozen=True)
class HostRelationships:
    """What the hosts said, by FQDN; the ones that could not be asked beside."""

    read: Mapping[str, OfHost] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()


async def read_relationships(
    powershell: PowerShell,
    hosts: Iterable[str],
    *,
    time_limit_seconds: float,
    hosts_at_once: int = HOSTS_AT_ONCE,
) -> HostRelationships:
    """Asks hosts; one that cannot be asked does not stop the others.

    Args:
        powershell: Where to run.
        hosts: FQDNs.
        time_limit_seconds: For each host.
        hosts_at_once: So many are asked at the same time.
    """
    limit = asyncio.Semaphore(hosts_at_once)

    async def ask(host: str) -> OfHost:
        async with limit:
            records = await powershell.run(
                cmdlet("Get-VMReplication", ComputerName=host),
                select(*RELATIONSHIP_PROPERTIES),
                time_limit_seconds=time_limit_seconds,
            )
        return relationships(records)

    names = sorted(set(hosts))
    answers = await asyncio.gather(*map(ask, names), return_exceptions=True)
    read: dict[str, OfHost] = {}
    unread: set[str] = set()
    for host, answer in zip(names, answers, strict=True):
        if isinstance(answer, (PowerShellError, PropertyError)):
            log.info("relationships.unread", host=host, error=str(answer))
            unread.add(host)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            read[host] = answer
    return HostRelationships(read, frozenset(unread))


def relationships(records: Iterable[PSRecord]) -> OfHost:
    """Source: Get-VMReplication; of a machine with a second, extended one the first is told."""
    found: dict[str, inventory_pb2.ReplicationRelationship] = {}
    extended: set[str] = set()
    for record in records:
        vm_id = str(record.guid("VMId"))
        if record.optional_enum_name("ReplicationRelationshipType") == "Extended":
            extended.add(vm_id)
            found.setdefault(vm_id, _relationship(record))
        else:
            found[vm_id] = _relationship(record)
    for vm_id in extended:
        found[vm_id].extended = True
    return found


def _relationship(record: PSRecord) -> inventory_pb2.ReplicationRelationship:
    return inventory_pb2.ReplicationRelationship(
        mode=record.enum_name("ReplicationMode"),
        state=record.enum_name("ReplicationState"),
        health=record.optional_enum_name("ReplicationHealth") or "",
        primary_server=record.optional_text("PrimaryServerName") or "",
        replica_server=record.optional_text("ReplicaServerName") or "",
        frequency_seconds=unsigned(record, "ReplicationFrequencySec"),
        authentication=record.optional_enum_name("AuthenticationType") or "",
        port=unsigned(record, "ReplicaServerPort"),
    )
