"""What the vault believes of a server's machines against what the server says: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Inconsistency:
    """One difference.

    Attributes:
        vm_name: The machine; empty when it is about a cloud.
        cloud_name: Where the vault has it.
        code: Stable and searchable.
        in_vault: What the vault believes.
        on_premises: What the server says.
    """

    vm_name: str
    cloud_name: str
    code: str
    in_vault: str
    on_premises: str


@dataclass(frozen=True, kw_only=True)
class SeenMachine:
    """A copy of a machine as VMM and its host show it.

    Attributes:
        cloud_id: VMM's id, lower case; empty for none.
        mode: Of its relationship in Hyper-V Replica; empty without one.
        partner: The other server of the relationship.
    """

    name: str
    host: str
    cloud_id: str
    mode: str = ""
    state: str = ""
    partner: str = ""


@dataclass(frozen=True, kw_only=True)
class BelievedCopy:
    """What the vault believes of one side of an item, the one that is on the server.

    Attributes:
        mode: "Primary" or "Replica" when it must replicate so; empty when replication is being set
            up, taken down, or was failed over: then its mode is not compared.
        cloud: VMM's id, lower case, and name of the cloud it must be in; None: not compared.
        partners: Servers that may be the other end; empty: not compared.
    """

    item: str
    vm_id: str
    cloud_name: str
    host: str
    mode: str = ""
    cloud: tuple[str, str] | None = None
    partners: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class BelievedCloud:
    """A cloud of a pairing: the hosts the pairing configured, and those the cloud has."""

    name: str
    pairing: str
    present: bool
    configured: frozenset[str]
    hosts: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both sides of the check.

    Attributes:
        copies: What the vault believes of machines.
        clouds: What it believes of paired clouds.
        seen: What the server has, by Hyper-V's id: several copies while it holds both sides.
        unread_hosts: Hosts whose replication could not be read: nothing is said about it there.
        protected: Hyper-V's ids of all protected machines of the vault.
    """

    copies: Sequence[BelievedCopy]
    clouds: Sequence[BelievedCloud] = ()
    seen: Mapping[str, Sequence[SeenMachine]] = field(default_factory=dict)
    unread_hosts: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()


def compare(comparison: Comparison) -> tuple[Inconsistency, ...]:
    """Every difference, machines by name, then clouds, then what the vault does not know.

    Source: SPEC DI-4.
    """
    found: list[Inconsistency] = []
    for copy in sorted(comparison.copies, key=lambda each: (each.item, each.host)):
        found += _of_copy(copy, comparison)
    for cloud in sorted(comparison.clouds, key=lambda each: each.name):
        found += _of_cloud(cloud)
    for vm_id, machines in sorted(comparison.seen.items()):
        if vm_id not in comparison.protected:
            found += _of_stranger(machines)
    return tuple(found)


def _of_copy(copy: BelievedCopy, comparison: Comparison) -> Iterator[Inconsistency]:
    def differs(code: str, in_vault: str, on_premises: str) -> Inconsistency:
        return Inconsistency(copy.item, copy.cloud_name, code, in_vault, on_premises)

    machines = comparison.seen.get(copy.vm_id, ())
    machine = _which(copy, machines)
    if machine is None:
        yield differs(
            "VirtualMachineMissing",
            f"on {copy.host or 'a host'}",
            "VMM has no machine with its id",
        )
        return
    if machine.host and copy.host and machine.host != copy.host:
        yield differs("HostDiffers", f"on {copy.host}", f"on {machine.host}")
    if copy.cloud is not None and machine.cloud_id != copy.cloud[0]:
        where = "in another cloud" if machine.cloud_id else "in no cloud"
        yield differs("CloudDiffers", f"in the cloud {copy.cloud[1]}", where)
    if copy.mode and machine.host not in comparison.unread_hosts:
        yield from _of_replication(copy, machine)


def _which(copy: BelievedCopy, machines: Sequence[SeenMachine]) -> SeenMachine | None:
    """Of both copies on one server the one that is meant: on its host, or in its mode."""
    for wanted in (
        [machine for machine in machines if machine.host == copy.host],
        [machine for machine in machines if machine.mode and machine.mode == copy.mode],
        list(machines) if len(machines) == 1 else [],
    ):
        if wanted:
            return wanted[0]
    return None


def _of_replication(copy: BelievedCopy, machine: SeenMachine) -> Iterator[Inconsistency]:
    def differs(code: str, in_vault: str, on_premises: str) -> Inconsistency:
        return Inconsistency(copy.item, copy.cloud_name, code, in_vault, on_premises)

    if not machine.mode:
        yield differs(
            "ReplicationMissing", f"replicates as {copy.mode}", "its host has no replication of it"
        )
    elif machine.mode != copy.mode:
        yield differs(
            "ReplicationModeDiffers", f"replicates as {copy.mode}", f"replicates as {machine.mode}"
        )
    elif copy.partners and machine.partner and machine.partner not in copy.partners:
        yield differs(
            "ReplicationPartnerDiffers",
            f"replicates with {' or '.join(sorted(copy.partners))}",
            f"replicates with {machine.partner}",
        )


def _of_cloud(cloud: BelievedCloud) -> Iterator[Inconsistency]:
    believed = f"in the pairing {cloud.pairing}"
    if not cloud.present:
        yield Inconsistency("", cloud.name, "CloudMissing", believed, "VMM has no such cloud")
        return
    for host in sorted(cloud.configured - cloud.hosts):
        yield Inconsistency(
            "", cloud.name, "HostMissing", f"{host} is configured {believed}", "not in the cloud"
        )
    for host in sorted(cloud.hosts - cloud.configured):
        yield Inconsistency(
            "", cloud.name, "HostNotConfigured", f"{host} is not configured", "in the cloud"
        )


def _of_stranger(machines: Sequence[SeenMachine]) -> Iterator[Inconsistency]:
    for machine in machines:
        if machine.mode:
            yield Inconsistency(
                machine.name,
                "",
                "ReplicationUnknown",
                "not protected",
                f"replicates as {machine.mode} with {machine.partner or 'another server'}",
            )
