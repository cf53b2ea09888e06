"""A machine between networks of two sites, as tests of network mapping want it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.db import transaction
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opensiterecovery.provider.v1 import inventory_pb2, network_pb2

from coordinator.fabrics.models import Cloud, Fabric, FabricObject, VirtualMachine
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.protection.models import ItemAdapter, NetworkMapping
from coordinator.protection.networks.mapping import MappingRequest
from coordinator.protection.networks.pending import attach_pending
from coordinator.protection.networks.services import map_networks
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import FailoverDirection
from coordinator.recovery import services as recovery
from tests.integration.protection.world import ORIGIN, World

PRIMARY_HOST = "goldcloud1-hv1.shanghai.contoso.com"
RECOVERY_HOST = "goldcloud2-hv2.beijing.contoso.com"
DEVICE = "aaaaaaaa-0000-4000-8000-000000000001"


def details(message: Message) -> dict[str, object]:
    stored: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return stored


@dataclass
class Stage:
    """A machine on VMNetwork1-Shanghai; two networks on each side, with a pool for each subnet."""

    world: World

    def __post_init__(self) -> None:
        for site, short, number in (("shanghai", "sh", 1), ("beijing", "bj", 2)):
            fabric = self.world.fabric(f"vmm-{site}")
            for index in (1, 2):
                self._add_network(fabric, site, f"{short}{index}", index, number)
        for cloud in ("GoldCloud1", "GoldCloud2"):
            self.associate(cloud, 1, 2)
        for cloud in ("SilverCloud1", "SilverCloud2"):
            self.associate(cloud, 1)
        self.machine_on("sh1", static=True)

    def _add_network(self, fabric: Fabric, site: str, key: str, index: int, number: int) -> None:
        place = site.title()
        subnet = f"10.{number}.{index}.0/24"
        network = inventory_pb2.VmNetwork(
            id=key,
            name=f"VMNetwork{index}-{place}",
            logical_network=f"LogicalNetwork{index}-{place}",
            isolation_type="NoIsolation",
        )
        network.subnets.add(id=f"{key}-front", name="Frontend", subnets=[subnet])
        pool = inventory_pb2.StaticAddressPool(
            id=f"{key}-pool",
            name=f"Pool of {key}",
            subnet=subnet,
            logical_network=network.logical_network,
            first_address=f"10.{number}.{index}.10",
            last_address=f"10.{number}.{index}.20",
            default_gateways=[f"10.{number}.{index}.1"],
        )
        for kind, message in (("vm_network", network), ("static_address_pool", pool)):
            FabricObject.objects.create(
                vault=self.world.vault,
                fabric=fabric,
                kind=kind,
                external_id=message.id,
                name=message.name,
                details=details(message),
            )

    def associate(self, cloud: str, *numbers: int) -> None:
        """Which of its server's logical networks a cloud has."""
        found = self.world.cloud(cloud)
        place = found.fabric.name.removeprefix("vmm-").title()
        found.details["logical_networks"] = [f"LogicalNetwork{n}-{place}" for n in numbers]
        Cloud.objects.filter(pk=found.pk).update(details=found.details, revision=found.revision + 1)

    def machine_on(self, network: str, *, static: bool) -> None:
        """Puts the machine's adapter on a network, here and in the inventory; its replica's is
        there and connected to nothing."""
        machine = self.world.machine("GoldVM1")
        adapter = inventory_pb2.VirtualNetworkAdapter(
            id="primary-nic",
            device_id=DEVICE,
            mac_address="00:15:5D:00:00:01",
            vm_network_id=network,
            vm_network=f"VMNetwork{network[-1]}-Shanghai",
            vm_subnet="Frontend",
            vm_subnet_id=f"{network}-front",
            ipv4_address_type="Static" if static else "Dynamic",
            ipv4_addresses=["10.1.1.15"],
        )
        machine.details["adapters"] = [details(adapter)]
        VirtualMachine.objects.filter(pk=machine.pk).update(details=machine.details)
        told = network_pb2.NetworkAdapter(
            id="primary-nic",
            device_id=DEVICE,
            vm_network_id=network,
            vm_subnet_id=f"{network}-front",
            vm_subnet="Frontend",
            ipv4_address_type=adapter.ipv4_address_type,
            ipv4_addresses=["10.1.1.15"],
        )
        networks = self.world.hyperv.networks
        networks.adapters[PRIMARY_HOST, machine.vm_id] = [told]
        replica = network_pb2.NetworkAdapter(id="replica-nic", device_id=DEVICE)
        networks.adapters.setdefault((RECOVERY_HOST, machine.vm_id), [replica])

    def map(
        self,
        target: str = "bj1",
        source: str = "sh1",
        *,
        name: str = "map",
        origin: RequestOrigin = ORIGIN,
        back: bool = False,
    ) -> tuple[NetworkMapping, Job]:
        here, there = self.world.fabric("vmm-shanghai"), self.world.fabric("vmm-beijing")
        request = MappingRequest(
            vault=self.world.vault,
            name=name,
            source_fabric=there if back else here,
            source_network_id=source,
            target_fabric=here if back else there,
            target_network_id=target,
        )
        with transaction.atomic():
            return map_networks(request, origin, self.world.now)

    @property
    def replica(self) -> network_pb2.NetworkAdapter:
        vm_id = self.world.machine("GoldVM1").vm_id
        [adapter] = self.world.hyperv.networks.on(RECOVERY_HOST, vm_id)
        return adapter

    @property
    def original(self) -> network_pb2.NetworkAdapter:
        vm_id = self.world.machine("GoldVM1").vm_id
        [adapter] = self.world.hyperv.networks.on(PRIMARY_HOST, vm_id)
        return adapter

    @property
    def row(self) -> ItemAdapter:
        return ItemAdapter.objects.get(item=self.world.item())

    def allocated(self, pool: str) -> list[str]:
        return sorted(self.world.hyperv.networks.allocated.get(pool, {}))

    def attach_pending(self) -> None:
        with transaction.atomic():
            attach_pending(self.world.now)
        self.world.turn()

    def fail_over(self, direction: FailoverDirection) -> Job:
        with transaction.atomic():
            job = recovery.planned_failover(self.world.item(), direction, ORIGIN, self.world.now)
        self.world.turn()
        self.world.report()
        job.refresh_from_db()
        assert job.state == JobState.SUCCEEDED, job.errors
        return job

    def reverse(self) -> None:
        with transaction.atomic():
            recovery.reverse_replicate(self.world.item(), ORIGIN, self.world.now)
        self.world.turn()
        self.world.report()
        self.world.turn()


def refused(code: str) -> pytest.RaisesExc[RefusedError]:
    return pytest.raises(RefusedError, check=lambda error: error.failure.code == code)


def protect(world: World) -> None:
    """As World.protect, on clouds that are paired or being paired already."""
    world.turn()
    item, _ = world.enable()
    world.turn()
    world.hyperv.finish_copy(item.vm_id)
    world.report()
    world.turn()
    assert world.item().state == "Protected"


def there_and_changed(stage: Stage, network: str) -> None:
    """Fails over, has somebody connect the machine there elsewhere, reverses."""
    stage.world.protect()
    stage.map()
    stage.world.turn()
    stage.fail_over(FailoverDirection.PRIMARY_TO_RECOVERY)
    stage.replica.vm_network_id = network
    stage.replica.vm_subnet_id = f"{network}-front" if network else ""
    stage.reverse()
