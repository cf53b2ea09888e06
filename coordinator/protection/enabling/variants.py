"""How a machine comes to its first copy at the recovery site, from what is there already."""

from __future__ import annotations

import ntpath
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from coordinator.failures import Failure


class Variant(StrEnum):
    """What EnableDr has to do for the first copy."""

    # Sent from host to host, now or at a time of day.
    OVER_NETWORK = "OverNetwork"
    # Exported to a folder, carried by people, imported.
    OFFLINE = "Offline"
    # The recovery host has a machine of the same id: compared with, only differences are sent.
    EXISTING_COPY = "ExistingCopy"
    # The machine replicates to the recovery cloud already: taken over, nothing is sent.
    EXISTING_REPLICATION = "ExistingReplication"


# States of a primary whose replica has no first copy yet.
NOT_COPIED = frozenset({"ReadyForInitialReplication", "InitialReplicationInProgress"})


@dataclass(frozen=True)
class DiskShape:
    """A virtual disk as far as a copy of it must be like it."""

    path: str
    maximum_bytes: int

    @property
    def name(self) -> str:
        """Its file's name, which says the format too."""
        return ntpath.basename(self.path).lower()


@dataclass(frozen=True, kw_only=True)
class KnownCopy:
    """A machine of the same id on a host of the recovery cloud.

    Attributes:
        mode: VMReplicationMode; empty when it takes part in no replication.
    """

    host: str
    mode: str
    disks: tuple[DiskShape, ...]


@dataclass(frozen=True, kw_only=True)
class KnownRelationship:
    """What the inventory says of a replication the machine takes part in."""

    mode: str
    state: str
    primary_server: str
    replica_server: str
    extended: bool = False


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that the choice depends on.

    Attributes:
        machine: Its name, for messages.
        host: The host that has it.
        own_names: Names its host replicates under: its own, its cluster's broker's.
        relationship: None when it takes part in none.
        recovery_cloud: Name, for messages.
        recovery_hosts: Hosts of the recovery cloud by every name others replicate to them under;
            a broker's name leads to the host that has the copy, if one is known.
        copies: Machines of the same id on those hosts.
        offline: The policy says that first copies are carried.
        single_server: Both clouds are of one VMM server.
    """

    machine: str
    host: str
    own_names: frozenset[str]
    disks: tuple[DiskShape, ...]
    relationship: KnownRelationship | None
    recovery_cloud: str
    recovery_hosts: Mapping[str, str]
    copies: tuple[KnownCopy, ...]
    offline: bool
    single_server: bool = False


@dataclass(frozen=True)
class Choice:
    """The variant, and the recovery host that must be taken; empty when any may be."""

    variant: Variant
    recovery_host: str = ""


def choose_variant(situation: Situation) -> Choice | Failure:
    """Chooses how the first copy comes to be, or says why the machine cannot be taken as it is.

    Whatever avoids sending the machine again goes before what the policy says of first copies.

    Source: SPEC RE-6, RE-7, OF-1; the service finds the same replica host and machine, reuses the
    replication and applies the policy's settings.
    """
    relationship = situation.relationship
    if relationship is not None and relationship.mode not in {"", "None"}:
        return _taken_over(situation, relationship)
    if situation.copies:
        return _from_copy(situation, situation.copies)
    return _sent(situation)


def _sent(situation: Situation, host: str = "") -> Choice | Failure:
    """The whole machine has to come to the recovery side."""
    if not situation.offline:
        return Choice(Variant.OVER_NETWORK, host)
    if situation.single_server:
        return Failure(
            "OfflineNeedsTwoServers",
            f"{situation.machine} cannot be copied offline: {situation.recovery_cloud} and its own "
            "cloud are of one VMM server.",
            ("With a single VMM server the first copy goes over the network.",),
            "Change the policy to initial replication over the network, then enable protection "
            "again.",
        )
    return Choice(Variant.OFFLINE, host)


def _taken_over(situation: Situation, relationship: KnownRelationship) -> Choice | Failure:
    if relationship.mode != "Primary":
        return _wrong_direction(situation, relationship)
    if relationship.extended:
        return _extended(situation)
    if relationship.primary_server.lower() not in situation.own_names:
        return _from_elsewhere(situation, relationship)
    host = situation.recovery_hosts.get(relationship.replica_server.lower())
    if host is None:
        return _to_elsewhere(situation, relationship)
    if relationship.state in NOT_COPIED:
        # What an earlier attempt of ours, or of somebody else, began: the same steps go on with it.
        return _sent(situation, host)
    return Choice(Variant.EXISTING_REPLICATION, host)


def _from_copy(situation: Situation, copies: tuple[KnownCopy, ...]) -> Choice | Failure:
    fitting = [copy for copy in copies if not _differences(situation.disks, copy.disks)]
    if fitting:
        return Choice(Variant.EXISTING_COPY, min(copy.host for copy in fitting))
    copy = min(copies, key=lambda copy: copy.host)
    differences = _differences(situation.disks, copy.disks)
    return Failure(
        "ExistingCopyDisksDiffer",
        f"{copy.host} has a copy of {situation.machine} already, and its disks are not the same: "
        f"{'; '.join(differences)}.",
        (
            "A disk was added, removed, renamed or resized since the machine was last protected.",
            "The machine on that host is another one that was imported with the same id.",
        ),
        f"If the copy is not needed, delete the machine on {copy.host} with its disks, refresh the "
        "host in VMM, and enable protection again: then a whole first copy is made. To use it, "
        "give it the same disks (name, format and size) first.",
    )


def _differences(disks: tuple[DiskShape, ...], others: tuple[DiskShape, ...]) -> list[str]:
    """In words, what a copy lacks or has otherwise; empty when it fits."""
    there = {disk.name: disk for disk in others}
    here = {disk.name for disk in disks}
    found = []
    for disk in disks:
        other = there.get(disk.name)
        if other is None:
            found.append(f"it has no disk {disk.name}")
        elif other.maximum_bytes != disk.maximum_bytes:
            found.append(
                f"{disk.name} has {other.maximum_bytes} bytes instead of {disk.maximum_bytes}"
            )
    return found + [f"it has a disk {name} more" for name in sorted(there.keys() - here)]


def _wrong_direction(situation: Situation, relationship: KnownRelationship) -> Failure:
    return Failure(
        "VirtualMachineIsReplica",
        f"{situation.machine} on {situation.host} is the {relationship.mode} of a replication from "
        f"{relationship.primary_server or 'another host'}; it cannot be protected from here.",
        ("It replicates in the other direction.", "It is the extended or test copy of another."),
        "Protect the primary machine from its own cloud, or end that replication first "
        "(Remove-VMReplication on both hosts).",
    )


def _extended(situation: Situation) -> Failure:
    return Failure(
        "ExistingReplicationExtended",
        f"The replication of {situation.machine} is extended to a third host.",
        (
            (
                "With an extended replication a failed-over machine cannot replicate back to where"
                " it came from."
            ),
        ),
        "Remove the extended replication on the replica's host (Remove-VMReplication "
        "-ReplicationRelationshipType Extended), refresh the server, then enable protection again.",
    )


def _from_elsewhere(situation: Situation, relationship: KnownRelationship) -> Failure:
    return Failure(
        "ExistingReplicationFromElsewhere",
        f"{situation.machine} replicates as {relationship.primary_server}, which is not "
        f"{situation.host}.",
        ("The machine was moved, and its replication still names the former host or cluster.",),
        "End that replication on both hosts (Remove-VMReplication), refresh both servers, then "
        "enable protection again: the copy on the replica's host is used.",
    )


def _to_elsewhere(situation: Situation, relationship: KnownRelationship) -> Failure:
    return Failure(
        "ExistingReplicationElsewhere",
        f"{situation.machine} replicates to {relationship.replica_server} already, which is no "
        f"host of the recovery cloud {situation.recovery_cloud}.",
        (
            "Replication was set up by hand, or by another tool, to another host.",
            "The host has left the recovery cloud.",
        ),
        f"Add {relationship.replica_server} to the host groups of {situation.recovery_cloud}, or "
        "end that replication on both hosts (Remove-VMReplication); then enable protection again.",
    )
