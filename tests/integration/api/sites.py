"""Rows as registration and the first inventory leave them: Shanghai and Beijing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from coordinator.fabrics.models import Cloud, Fabric, FabricObject, Host, Provider, VirtualMachine
from coordinator.protection.models import PairedHost, Pairing, Policy, ProtectedItem
from coordinator.protection.states import PairingState, ProtectionState
from coordinator.recovery.models import PlanMember, RecoveryPlan
from coordinator.vaults.models import Vault

GIGABYTE = 1024**3


@dataclass(frozen=True)
class Sites:
    """What there is in the vault."""

    vault: Vault
    shanghai: Fabric
    beijing: Fabric
    gold1: Cloud
    gold2: Cloud
    machines: tuple[VirtualMachine, ...]


def make_sites(vault: Vault, now: datetime) -> Sites:
    """Two servers with a gold and a silver cloud each; two machines in GoldCloud1."""
    shanghai, beijing = make_fabric(vault, "Shanghai", now), make_fabric(vault, "Beijing", now)
    gold1 = make_cloud(shanghai, "GoldCloud1", ["hv1.shanghai.example", "hv2.shanghai.example"])
    make_cloud(shanghai, "SilverCloud1", ["hv3.shanghai.example"])
    gold2 = make_cloud(beijing, "GoldCloud2", ["hv1.beijing.example", "hv2.beijing.example"])
    make_cloud(beijing, "SilverCloud2", ["hv3.beijing.example"])
    machines = tuple(make_machine(gold1, name) for name in ("GoldVM1", "GoldVM2"))
    return Sites(vault, shanghai, beijing, gold1, gold2, machines)


def make_fabric(vault: Vault, place: str, now: datetime) -> Fabric:
    """A registered server whose provider was heard of just now."""
    fabric = Fabric.objects.create(
        vault=vault,
        name=sha256(f"{vault.id}{place}".encode()).hexdigest(),
        friendly_name=f"VMM-{place}",
        installation_id=str(uuid4()),
        vmm_fqdn=f"vmm.{place.lower()}.example",
        vmm_product_version="10.19.2591.0",
        registered_at=now,
        inventory_revision=1,
        inventory_at=now,
    )
    Provider.objects.create(
        vault=vault,
        fabric=fabric,
        name=fabric.name,
        public_key_sha256=sha256(fabric.name.encode()).digest(),
        certificate_serial="01",
        certificate_not_after=now + timedelta(days=30),
        agent_version="0.1.0",
        registered_at=now,
        fence=1,
        connected_at=now,
        last_heartbeat_at=now + timedelta(minutes=10),
    )
    return fabric


def make_cloud(fabric: Fabric, name: str, hosts: list[str]) -> Cloud:
    """A cloud with a host group of its own."""
    path = f"All Hosts\\{name}"
    cloud = Cloud.objects.create(
        vault=fabric.vault,
        fabric=fabric,
        external_id=str(uuid4()),
        name=name,
        details={
            "name": name,
            "host_group_paths": [path],
            "capability_profiles": ["Hyper-V"],
        },
    )
    for fqdn in hosts:
        Host.objects.create(
            vault=fabric.vault,
            fabric=fabric,
            external_id=str(uuid4()),
            name=fqdn,
            host_group_path=path,
            details={
                "fqdn": fqdn,
                "host_group_path": path,
                "operating_system_version": "10.0.17763.0",
                "available_for_placement": True,
                "total_memory_bytes": str(64 * GIGABYTE),
                "available_memory_bytes": str(32 * GIGABYTE),
                "vm_paths": ["C:\\VMs"],
            },
        )
    return cloud


def make_machine(cloud: Cloud, name: str, *, disk_format: str = "VHDX") -> VirtualMachine:
    """A running machine of a cloud."""
    return VirtualMachine.objects.create(
        vault=cloud.vault,
        fabric=cloud.fabric,
        external_id=str(uuid4()),
        name=name,
        vm_id=str(uuid4()),
        cloud_external_id=cloud.external_id,
        host_fqdn="hv1.shanghai.example",
        state="Running",
        details={
            "name": name,
            "generation": 2,
            "operating_system": "Windows Server 2019 Standard",
            "memory_bytes": str(2 * GIGABYTE),
            "disks": [
                {
                    "id": "disk-1",
                    "name": f"{name}.vhdx",
                    "path": f"C:\\VMs\\{name}.vhdx",
                    "format": disk_format,
                    "maximum_size_bytes": str(40 * GIGABYTE),
                }
            ],
        },
    )


def pair(sites: Sites, now: datetime) -> Pairing:
    """The gold clouds paired under a policy, as the job AssociateProtectionProfile leaves them."""
    policy = Policy.objects.create(
        vault=sites.vault,
        name="Policy-1",
        instance_type="HyperVReplica2012R2",
        authentication_type="Certificate",
        replication_port=8084,
        replication_frequency_seconds=30,
        recovery_points=4,
        application_consistent_hours=0,
        compression=True,
        initial_replication_method="OverNetwork",
        created_at=now,
    )
    pairing = Pairing.objects.create(
        vault=sites.vault,
        name="Pair-1",
        policy=policy,
        instance_type=policy.instance_type,
        primary_fabric=sites.shanghai,
        recovery_fabric=sites.beijing,
        primary_cloud=sites.gold1,
        recovery_cloud=sites.gold2,
        state=PairingState.PAIRED,
        created_at=now,
    )
    for host in Host.objects.filter(
        vault=sites.vault, host_group_path__in=[r"All Hosts\GoldCloud1", r"All Hosts\GoldCloud2"]
    ):
        PairedHost.objects.create(
            pairing=pairing,
            host=host,
            location="Primary" if host.fabric_id == sites.shanghai.id else "Recovery",
            connection_point=host.name,
            certificate_thumbprint="AB" * 20,
            certificate_not_after=now + timedelta(days=300),
            storage_location="C:\\Replica",
            configured_at=now,
        )
    return pairing


def protect(
    pairing: Pairing,
    machine: VirtualMachine,
    now: datetime,
    state: ProtectionState = ProtectionState.PROTECTED,
) -> ProtectedItem:
    """A machine that replicates."""
    return ProtectedItem.objects.create(
        vault=pairing.vault,
        pairing=pairing,
        name=machine.external_id,
        friendly_name=machine.name,
        vm_id=machine.vm_id,
        protectable_item_id=machine.external_id,
        state=state,
        primary_host=machine.host_fqdn,
        recovery_host="hv1.beijing.example",
        replication_health="Normal",
        created_at=now,
    )


def make_plan(
    sites: Sites, name: str, groups: Sequence[Sequence[ProtectedItem]], now: datetime
) -> RecoveryPlan:
    """A recovery plan of the two servers, as the job UpdateRecoveryPlan leaves it."""
    document = [
        {"type": kind, "start_actions": [], "end_actions": []}
        for kind in ("Shutdown", "Failover", *("Boot" for _ in groups))
    ]
    plan = RecoveryPlan.objects.create(
        vault=sites.vault,
        name=name,
        primary_fabric=sites.shanghai,
        recovery_fabric=sites.beijing,
        groups=document,
        revision=1,
        created_at=now,
    )
    for number, items in enumerate(groups, start=1):
        for position, item in enumerate(items):
            PlanMember.objects.create(
                plan=plan,
                group=number,
                position=position,
                item=item,
                name=item.friendly_name,
                vm_id=item.vm_id,
            )
    return plan


def add_storage(fabric: Fabric, name: str, path: str, *hosts: str) -> FabricObject:
    """A classification with one place."""
    FabricObject.objects.create(
        vault=fabric.vault,
        fabric=fabric,
        kind="storage_location",
        external_id=str(uuid4()),
        name=path,
        details={
            "path": path,
            "classification": name,
            "capacity_bytes": str(100 * GIGABYTE),
            "free_bytes": str(40 * GIGABYTE),
            "host_fqdns": list(hosts),
        },
    )
    return FabricObject.objects.create(
        vault=fabric.vault,
        fabric=fabric,
        kind="storage_classification",
        external_id=str(uuid4()),
        name=name,
        details={"name": name, "description": "SSD"},
    )


def unknown_id() -> UUID:
    return uuid4()


def add_network(fabric: Fabric, key: str, name: str, logical: str) -> None:
    """A VM network with one subnet."""
    FabricObject.objects.create(
        vault=fabric.vault,
        fabric=fabric,
        kind="vm_network",
        external_id=key,
        name=name,
        details={
            "id": key,
            "name": name,
            "logical_network": logical,
            "isolation_type": "NoIsolation",
            "subnets": [{"id": f"{key}-s", "name": "Frontend", "subnets": ["10.0.0.0/24"]}],
        },
    )


def associate(cloud: Cloud, *logical_networks: str) -> None:
    """Has a cloud offer logical networks."""
    details = {**cloud.details, "logical_networks": list(logical_networks)}
    Cloud.objects.filter(pk=cloud.pk).update(details=details)


def add_networks(sites: Sites) -> None:
    """VMNetwork1 and 2 on each server; only the first is on the gold recovery cloud."""
    for fabric, short in ((sites.shanghai, "sh"), (sites.beijing, "bj")):
        place = fabric.friendly_name.removeprefix("VMM-")
        for number in (1, 2):
            name, logical = f"VMNetwork{number}-{place}", f"LogicalNetwork{number}-{place}"
            add_network(fabric, f"{short}{number}", name, logical)
    associate(sites.gold1, "LogicalNetwork1-Shanghai", "LogicalNetwork2-Shanghai")
    associate(sites.gold2, "LogicalNetwork1-Beijing")
