"""Machines of the inventory as the readiness rules look at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from coordinator.fabrics.models import Cloud, Host, VirtualMachine
from coordinator.protection.discovery.readiness import DiskFacts, MachineFacts
from coordinator.protection.models import Pairing
from coordinator.protection.pairing.generations import HostWindows, covering
from coordinator.protection.policies.rules import InstanceType


@dataclass(frozen=True)
class FabricFacts:
    """What machines of a fabric are judged by besides themselves.

    Attributes:
        clouds: Names of the clouds VMM still has, by VMM's id in lower case.
        host_versions: Windows version by the host's FQDN.
        paired_clouds: By VMM's id the clouds that are the primary one of a pair, with the
            generations of hosts that they are paired for; None: whether a machine's cloud is paired
            is not judged.
    """

    clouds: Mapping[str, str] = field(default_factory=dict)
    host_versions: Mapping[str, str] = field(default_factory=dict)
    paired_clouds: Mapping[str, Collection[InstanceType]] | None = None


def fabric_facts(fabric_id: UUID, *, judge_pairing: bool = False) -> FabricFacts:
    """Reads what all machines of a fabric share."""
    hosts = Host.objects.filter(fabric_id=fabric_id, gone_at=None)
    paired: dict[str, list[InstanceType]] | None = None
    if judge_pairing:
        paired = {}
        found = Pairing.objects.filter(primary_cloud__fabric_id=fabric_id)
        for name, kind in found.values_list("primary_cloud__external_id", "instance_type"):
            paired.setdefault(name.lower(), []).append(InstanceType(kind))
    clouds = Cloud.objects.filter(fabric_id=fabric_id, gone_at=None)
    return FabricFacts(
        clouds={key.lower(): name for key, name in clouds.values_list("external_id", "name")},
        host_versions={
            name: str(version or "")
            for name, version in hosts.values_list("name", "details__operating_system_version")
        },
        paired_clouds=paired,
    )


def facts_of(machine: VirtualMachine, around: FabricFacts) -> MachineFacts:
    """A machine as its provider told of it, among what it is judged by."""
    told: Mapping[str, object] = machine.details
    cloud_id = machine.cloud_external_id.lower()
    adapters = _records(told, "adapters")
    detected = told.get("integration_services_detected")
    host_version = around.host_versions.get(machine.host_fqdn, "")
    generations = None if around.paired_clouds is None else around.paired_clouds.get(cloud_id, ())
    windows = HostWindows(fqdn=machine.host_fqdn, version=host_version)
    return MachineFacts(
        name=machine.name,
        cloud_name=around.clouds.get(cloud_id, ""),
        state=machine.state,
        vm_id=machine.vm_id,
        gone=machine.gone_at is not None,
        replica=bool(told.get("recovery") or told.get("test_replica")),
        disks=tuple(_disk(disk) for disk in _records(told, "disks")),
        pass_through=bool(told.get("pass_through")),
        shared_storage=bool(told.get("shared_storage")),
        fibre_channel=bool(told.get("fibre_channel")),
        encrypted=bool(told.get("encrypted")),
        guest_ipv6=any(adapter.get("ipv6") for adapter in adapters),
        runs_vmm=bool(told.get("runs_vmm")),
        integration_services=None if detected is None else bool(detected),
        host=machine.host_fqdn,
        host_version=host_version,
        cloud_paired=None if generations is None else bool(generations),
        generation_paired=None
        if generations is None
        else covering(windows, generations) is not None,
    )


def _disk(told: Mapping[str, object]) -> DiskFacts:
    return DiskFacts(
        name=str(told.get("name") or told.get("path") or ""),
        format=str(told.get("format") or "").upper(),
        pass_through=bool(told.get("pass_through")),
        shared=bool(told.get("shared")),
    )


def _records(told: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    found = told.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
