"""Two sites as the coordinator knows them, and the wheels that turn its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction
from google.protobuf.json_format import MessageToDict
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics.models import (
    Cloud,
    Fabric,
    FabricObject,
    Host,
    Provider,
    VirtualMachine,
)
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job, OutboxMessage, Step
from coordinator.jobs.registry import Registry
from coordinator.protection import services as protection
from coordinator.protection import steps as protection_steps
from coordinator.protection.models import Pairing, Policy, ProtectedItem
from coordinator.protection.requests import PairingRequest, ProtectionRequest, RequestOrigin
from coordinator.recovery import steps as recovery_steps
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, register
from tests.integration.protection.fake_hyperv import START, Copy, FakeHyperV

ORIGIN = RequestOrigin(started_by="tests")
POLICY_INPUT: dict[str, object] = {
    "instanceType": "HyperVReplica2012R2",
    "replicationFrequencyInSeconds": 30,
    "recoveryPoints": 4,
}
GIBIBYTE = 1024**3


@dataclass
class World:
    """Shanghai protects in Beijing; time passes only when the test says so."""

    vault: Vault
    registry: Registry
    shanghai: FakeProvider
    beijing: FakeProvider
    hyperv: FakeHyperV = field(default_factory=FakeHyperV)
    now: datetime = START

    def clock(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def turn(self) -> None:
        """Runs workers and providers until nothing is left to do now."""
        while self.work() or self._serve(self.shanghai) or self._serve(self.beijing):
            pass

    def work(self) -> bool:
        """One round of the workers; True when there may be more to do."""
        self.pass_(0.001)
        messages = list(OutboxMessage.objects.values_list("pk", flat=True))
        for pk in messages:
            carry_out(pk, protection_steps.TASKS, self.clock)
        before = self._progress()
        for job_id in Job.objects.filter(finished_at=None).values_list("id", flat=True):
            advance(job_id, self.registry, self.clock)
        return bool(messages) or before != self._progress()

    def _progress(self) -> list[object]:
        """Differs when a job has got on; when one only waits longer, it has not."""
        jobs = Job.objects.order_by("id").values_list("id", "state")
        steps = Step.objects.order_by("id").values_list("id", "state", "attempts", "retry_at")
        return [*jobs, *steps]

    def _serve(self, provider: FakeProvider) -> bool:
        commands = provider.fetch()
        for command in commands:
            provider.answer(command, self.now, self.hyperv.answer)
        return bool(commands)

    def fabric(self, name: str) -> Fabric:
        return Fabric.objects.get(vault=self.vault, name=name)

    def cloud(self, name: str) -> Cloud:
        return Cloud.objects.select_related("fabric").get(vault=self.vault, name=name)

    def machine(self, name: str) -> VirtualMachine:
        return VirtualMachine.objects.select_related("fabric").get(vault=self.vault, name=name)

    def item(self) -> ProtectedItem:
        return ProtectedItem.objects.get(vault=self.vault)

    def policy(self, name: str = "Gold", **changes: object) -> Policy:
        with transaction.atomic():
            return protection.create_policy(self.vault, name, {**POLICY_INPUT, **changes}, self.now)

    def pair(
        self,
        primary: str = "GoldCloud1",
        recovery: str = "GoldCloud2",
        origin: RequestOrigin = ORIGIN,
        **changes: object,
    ) -> tuple[Pairing, Job]:
        policy_name = str(changes.get("policy", "Gold"))
        known = Policy.objects.filter(vault=self.vault, name=policy_name).first()
        request = PairingRequest(
            vault=self.vault,
            name=str(changes.get("name", f"{primary}-{recovery}")),
            policy=known or self.policy(policy_name),
            primary_cloud=self.cloud(primary),
            recovery_cloud=self.cloud(recovery),
        )
        with transaction.atomic():
            return protection.create_pairing(request, origin, self.now)

    def unpair(self, pairing: Pairing) -> Job:
        with transaction.atomic():
            return protection.remove_pairing(pairing, ORIGIN, self.now)

    def enable(
        self, machine: str = "GoldVM1", origin: RequestOrigin = ORIGIN, **changes: object
    ) -> tuple[ProtectedItem, Job]:
        request = ProtectionRequest(
            name=str(changes.get("name", machine)),
            machine=self.machine(machine),
            policy=changes.get("policy"),  # type: ignore[arg-type]  # a Policy when given
            batch=str(changes.get("batch", "")),
        )
        with transaction.atomic():
            return protection.enable_protection(request, origin, self.now)

    def report(self, points: int = 0) -> None:
        """Both providers tell what their hosts show of the protected machine."""
        item = self.item()
        self.pass_(1)
        for name, host in (
            ("vmm-shanghai", item.primary_host),
            ("vmm-beijing", item.recovery_host),
        ):
            if (host, item.vm_id) not in self.hyperv.copies:
                continue
            replica = self.hyperv.copies[host, item.vm_id].mode == "Replica"
            state = self.hyperv.report(item.vm_id, host, self.now, points if replica else 0)
            with transaction.atomic():
                protection.ingest_replication(self.fabric(name).id, [state], self.now, self.now)

    def protect(self, machine: str = "GoldVM1") -> ProtectedItem:
        """Pairs the gold clouds and brings a machine to Protected."""
        self.pair()
        self.turn()
        item, _ = self.enable(machine)
        self.turn()
        self.hyperv.finish_copy(item.vm_id)
        self.report()
        self.turn()
        return self.item()


def make_registry(authority_folder: Path) -> Registry:
    """Both domains' functions, as the wiring of a worker merges them."""
    return Registry(
        records={**protection_steps.records(authority_folder), **recovery_steps.RECORDS},
        conditions={**protection_steps.CONDITIONS, **recovery_steps.CONDITIONS},
        finishers={**protection_steps.FINISHERS, **recovery_steps.FINISHERS},
    )


def make_world(registry: Registry) -> World:
    """The seed's two sites: two clouds and two hosts a cloud on each."""
    vault = Vault.objects.create(
        subscription_id=uuid4(),
        resource_group="rg",
        name=f"vault-{uuid4()}"[:50],
        location="here",
        created_at=START,
    )
    world = World(
        vault,
        registry,
        register(vault, "vmm-shanghai", START),
        register(vault, "vmm-beijing", START),
    )
    Provider.objects.filter(vault=vault).update(last_heartbeat_at=START)
    for site, number in (("shanghai", 1), ("beijing", 2)):
        for metal in ("Gold", "Silver"):
            add_cloud(world, site, f"{metal}Cloud{number}")
    for name in ("GoldVM1", "GoldVM2"):
        add_machine(world, name, "GoldCloud1", "goldcloud1-hv1.shanghai.contoso.com")
    add_machine(world, "SilverGuest1", "SilverCloud1", "silvercloud1-hv1.shanghai.contoso.com")
    return world


def add_cloud(world: World, site: str, name: str) -> None:
    fabric = world.fabric(f"vmm-{site}")
    message = inventory_pb2.Cloud(id=f"cloud-{name}", name=name)
    message.host_group_paths.append(f"All Hosts\\{name}")
    message.capability_profiles.append("Hyper-V")
    Cloud.objects.create(
        vault=world.vault,
        fabric=fabric,
        external_id=message.id,
        name=name,
        details=details(message),
    )
    for number in (1, 2):
        add_host(world, fabric, name, f"{name.lower()}-hv{number}.{site}.contoso.com", number)


def add_host(world: World, fabric: Fabric, cloud: str, fqdn: str, number: int) -> None:
    message = inventory_pb2.Host(
        id=f"host-{fqdn}",
        fqdn=fqdn,
        host_group_path=f"All Hosts\\{cloud}",
        operating_system_version="10.0.17763.0",
        communication_state="Responding",
        total_memory_bytes=64 * GIBIBYTE,
        available_memory_bytes=(16 * number) * GIBIBYTE,
        available_for_placement=True,
    )
    Host.objects.create(
        vault=world.vault,
        fabric=fabric,
        external_id=message.id,
        name=fqdn,
        details=details(message),
        host_group_path=message.host_group_path,
    )


def add_shared_volume(world: World, fabric: Fabric, *hosts: str) -> None:
    """A cluster shared volume that hosts reach."""
    message = inventory_pb2.StorageLocation(
        id="csv",
        name="Volume1",
        path="C:\\ClusterStorage\\Volume1",
        free_bytes=GIBIBYTE,
        cluster_shared_volume=True,
        host_fqdns=hosts,
    )
    FabricObject.objects.create(
        vault=world.vault,
        fabric=fabric,
        kind="storage_location",
        external_id=message.id,
        name=message.name,
        details=MessageToDict(message, preserving_proto_field_name=True),
    )


def add_machine(world: World, name: str, cloud: str, host: str) -> VirtualMachine:
    vm_id = str(UUID(bytes=name.encode().ljust(16, b"-")))
    message = inventory_pb2.VirtualMachine(
        id=f"vmm-{name}",
        vm_id=vm_id,
        name=name,
        host_fqdn=host,
        cloud_id=f"cloud-{cloud}",
        state="Running",
        memory_bytes=2 * GIBIBYTE,
    )
    message.disks.add(name="disk0", format="VHDX", size_bytes=40 * GIBIBYTE)
    world.hyperv.copies[host, vm_id] = Copy(vm_state="Running")
    return VirtualMachine.objects.create(
        vault=world.vault,
        fabric=world.cloud(cloud).fabric,
        external_id=message.id,
        name=name,
        details=details(message),
        vm_id=vm_id,
        cloud_external_id=message.cloud_id,
        host_fqdn=host,
        state="Running",
    )


def details(
    message: inventory_pb2.Cloud | inventory_pb2.Host | inventory_pb2.VirtualMachine,
) -> dict[str, object]:
    """As the fabrics domain stores it."""
    stored: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return stored
