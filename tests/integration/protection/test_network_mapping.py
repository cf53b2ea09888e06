"""Mapping networks on PostgreSQL: what replicas are connected to, their addresses, the way back."""

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
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection.models import ItemAdapter, ItemNetworks, NetworkMapping
from coordinator.protection.networks import queries
from coordinator.protection.networks.attaching import mark_pending
from coordinator.protection.networks.following import follow_networks
from coordinator.protection.networks.services import (
    MappingRequest,
    attach_pending,
    map_networks,
    unmap_networks,
)
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.services import disable_protection, ingest_replication
from coordinator.protection.states import FailoverDirection
from coordinator.recovery import services as recovery
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

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
        Cloud.objects.filter(pk=found.pk).update(details=found.details)

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


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


def refused(code: str) -> pytest.RaisesExc[RefusedError]:
    return pytest.raises(RefusedError, check=lambda error: error.failure.code == code)


@pytest.mark.spec("NW-3", "NW-4", "NW-8", "RE-2")
def test_a_machine_protected_later_is_connected_when_its_first_copy_ends(stage: Stage) -> None:
    stage.world.pair()
    _, job = stage.map()
    stage.world.turn()
    view = job_view(Job.objects.get(id=job.id))
    assert [(task.name, task.friendly_name, task.state) for task in view.tasks] == [
        ("ModifyVMNetworksPairingStatusTask", "Map network", "Succeeded"),
        ("VMNetworksUpdateVMNicsTask", "Attach network (0)", "Skipped"),
    ]
    assert NetworkMapping.objects.get().state == "Paired"
    protect(stage.world)
    assert (stage.replica.vm_network_id, stage.replica.vm_subnet_id) == ("bj1", "bj1-front")
    row = stage.row
    assert (row.connected, row.reserved, row.injected, row.problem) == (True, True, True, "")
    assert (row.address, row.subnet_mask, row.default_gateway) == (
        "10.2.1.10",
        "255.255.255.0",
        "10.2.1.1",
    )
    assert stage.allocated("bj1-pool") == ["10.2.1.10"]
    assert stage.world.item().state == "Protected"


def protect(world: World) -> None:
    """As World.protect, on clouds that are paired or being paired already."""
    world.turn()
    item, _ = world.enable()
    world.turn()
    world.hyperv.finish_copy(item.vm_id)
    world.report()
    world.turn()
    assert world.item().state == "Protected"


@pytest.mark.spec("NW-5")
def test_without_a_mapping_the_replica_is_connected_to_nothing_and_the_item_says_so(
    stage: Stage,
) -> None:
    stage.world.protect()
    assert stage.replica.vm_network_id == ""
    assert stage.row.reason == "no mapping of VMNetwork1-Shanghai: connected to nothing"
    assert not stage.row.connected
    assert not stage.world.hyperv.networks.done


@pytest.mark.spec("NW-3", "NW-8")
def test_creating_and_changing_a_mapping_reconnects_what_is_there(stage: Stage) -> None:
    stage.world.protect()
    _, job = stage.map("bj1")
    stage.world.turn()
    view = job_view(Job.objects.get(id=job.id))
    assert view.state is JobState.SUCCEEDED
    assert view.state_description == "Completed"
    assert view.tasks[1].friendly_name == "Attach network (1)"
    assert stage.replica.vm_network_id == "bj1"
    assert stage.allocated("bj1-pool") == ["10.2.1.10"]
    mapping, job = stage.map("bj2")
    assert mapping.target_network == "VMNetwork2-Beijing"
    stage.world.turn()
    assert stage.replica.vm_network_id == "bj2"
    assert stage.allocated("bj1-pool") == []
    assert stage.allocated("bj2-pool") == ["10.2.2.10"]
    assert NetworkMapping.objects.count() == 1
    assert not ItemNetworks.objects.get().pending


@pytest.mark.spec("NW-9")
def test_deleting_a_mapping_leaves_what_is_attached_until_the_next_change(stage: Stage) -> None:
    stage.world.protect()
    mapping, _ = stage.map()
    stage.world.turn()
    with transaction.atomic():
        job = unmap_networks(mapping, ORIGIN, stage.world.now)
    stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert not NetworkMapping.objects.exists()
    assert stage.replica.vm_network_id == "bj1"
    assert stage.row.connected
    stage.map("bj2")
    stage.world.turn()
    assert stage.replica.vm_network_id == "bj2"


@pytest.mark.spec("NW-3")
def test_a_busy_replica_is_connected_when_its_job_has_ended(stage: Stage) -> None:
    stage.world.protect()
    with transaction.atomic():
        recovery.planned_failover(stage.world.item(), None, ORIGIN, stage.world.now)
    _, job = stage.map()
    stage.world.hyperv.broken["stop_virtual_machine"] = broken()
    stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert stage.world.item().state == "Protected"
    assert stage.replica.vm_network_id == ""
    assert ItemNetworks.objects.get().pending
    stage.attach_pending()
    assert stage.replica.vm_network_id == "bj1"
    assert not ItemNetworks.objects.get().pending
    assert Job.objects.filter(scenario="VmNetworksUpdate").get().state == JobState.SUCCEEDED
    before = Job.objects.count()
    stage.attach_pending()
    assert Job.objects.count() == before


@pytest.mark.spec("NW-3")
def test_a_connection_that_fails_is_told_and_tried_again_after_a_pause(stage: Stage) -> None:
    stage.world.protect()
    stage.world.hyperv.broken["connect_network_adapter"] = broken("NoSwitch")
    _, job = stage.map()
    stage.world.turn()
    job.refresh_from_db()
    assert (job.state, job.state_description) == (JobState.SUCCEEDED, "CompletedWithInformation")
    assert [error["code"] for error in job.errors] == ["NoSwitch"]
    assert "could not be connected to VMNetwork1-Beijing" in stage.row.problem
    del stage.world.hyperv.broken["connect_network_adapter"]
    stage.attach_pending()
    assert stage.replica.vm_network_id == ""
    stage.world.pass_(31)
    stage.attach_pending()
    assert stage.replica.vm_network_id == "bj1"
    assert (stage.row.problem, stage.row.connected) == ("", True)


@pytest.mark.spec("NW-3", "RE-2")
def test_a_machine_is_protected_although_its_network_cannot_be_reached(stage: Stage) -> None:
    stage.world.pair()
    stage.map()
    stage.world.hyperv.broken["read_network_adapters"] = broken("VmmDown")
    protect(stage.world)
    assert ItemNetworks.objects.get().pending
    del stage.world.hyperv.broken["read_network_adapters"]
    stage.world.pass_(31)
    stage.attach_pending()
    assert stage.replica.vm_network_id == "bj1"


@pytest.mark.spec("NW-8")
def test_the_same_address_is_taken_if_it_is_free_else_the_next(stage: Stage) -> None:
    pool = FabricObject.objects.get(external_id="bj1-pool")
    pool.details |= {
        "first_address": "10.1.1.10",
        "last_address": "10.1.1.20",
        "subnet": "10.1.1.0/24",
    }
    pool.save()
    network = FabricObject.objects.get(external_id="bj1")
    network.details["subnets"][0]["subnets"] = ["10.1.1.0/24"]
    network.save()
    stage.world.protect()
    stage.map()
    stage.world.turn()
    assert stage.row.address == "10.1.1.15"
    stage.map("bj2")
    stage.world.turn()
    stage.world.hyperv.networks.allocated["bj1-pool"] = {"10.1.1.15": "other"}
    stage.map("bj1")
    stage.world.turn()
    assert stage.row.address == "10.1.1.10"


@pytest.mark.spec("NW-8")
def test_an_address_taken_meanwhile_is_replaced_by_another(stage: Stage) -> None:
    stage.world.protect()
    networks = stage.world.hyperv.networks
    stage.world.hyperv.broken["reserve_address"] = broken("AddressTaken")
    stage.map()
    stage.world.turn()
    assert "could not be reserved" in stage.row.problem
    assert stage.row.connected
    del stage.world.hyperv.broken["reserve_address"]
    networks.allocated["bj1-pool"] = {"10.2.1.10": "other"}
    stage.world.pass_(31)
    stage.attach_pending()
    assert (stage.row.address, stage.row.reserved) == ("10.2.1.11", True)


@pytest.mark.spec("NW-8")
def test_disabling_gives_addresses_back(stage: Stage) -> None:
    stage.world.protect()
    stage.map()
    stage.world.turn()
    assert stage.allocated("bj1-pool") == ["10.2.1.10"]
    with transaction.atomic():
        disable_protection(stage.world.item(), ORIGIN, stage.world.now)
    stage.world.turn()
    assert stage.allocated("bj1-pool") == []
    assert not ItemAdapter.objects.exists()


@pytest.mark.spec("NW-8")
def test_a_dhcp_machine_gets_no_address(stage: Stage) -> None:
    stage.machine_on("sh1", static=False)
    stage.world.protect()
    stage.map()
    stage.world.turn()
    assert stage.replica.vm_network_id == "bj1"
    assert stage.allocated("bj1-pool") == []
    assert (stage.row.address, stage.row.problem) == ("", "")


@pytest.mark.spec("NW-8")
def test_the_failover_address_is_written_just_before_the_failover(stage: Stage) -> None:
    stage.world.protect()
    stage.map()
    stage.world.turn()
    assert not stage.world.hyperv.networks.failover
    stage.fail_over(FailoverDirection.PRIMARY_TO_RECOVERY)
    written = stage.world.hyperv.networks.failover[RECOVERY_HOST, DEVICE]
    assert (written.address, written.subnet_mask, written.default_gateway) == (
        "10.2.1.10",
        "255.255.255.0",
        "10.2.1.1",
    )


@pytest.mark.spec("NW-8", "FO-2")
def test_a_failover_goes_on_although_its_address_cannot_be_written(stage: Stage) -> None:
    stage.world.protect()
    stage.map()
    stage.world.turn()
    stage.world.hyperv.broken["write_failover_address"] = broken("NoIntegration")
    job = stage.fail_over(FailoverDirection.PRIMARY_TO_RECOVERY)
    assert job.state_description == "CompletedWithInformation"
    assert stage.world.item().active_location == "Recovery"


def there_and_changed(stage: Stage, network: str) -> None:
    """Fails over, has somebody connect the machine there elsewhere, reverses."""
    stage.world.protect()
    stage.map()
    stage.world.turn()
    stage.fail_over(FailoverDirection.PRIMARY_TO_RECOVERY)
    stage.replica.vm_network_id = network
    stage.replica.vm_subnet_id = f"{network}-front" if network else ""
    stage.reverse()


@pytest.mark.spec("NW-7")
@pytest.mark.parametrize(("network", "back"), [("bj1", "sh1"), ("", ""), ("bj2", "")])
def test_the_original_comes_back_as_the_seeds_table_says(
    stage: Stage, network: str, back: str
) -> None:
    there_and_changed(stage, network)
    stage.fail_over(FailoverDirection.RECOVERY_TO_PRIMARY)
    assert stage.original.vm_network_id == back
    assert stage.row.reason.startswith("at failback: ")


@pytest.mark.spec("NW-7")
def test_when_the_mapping_was_changed_the_original_goes_to_the_network_now_mapped(
    stage: Stage,
) -> None:
    there_and_changed(stage, "bj1")
    stage.map("sh2", "bj1", name="back", back=True)
    stage.world.turn()
    stage.fail_over(FailoverDirection.RECOVERY_TO_PRIMARY)
    assert stage.original.vm_network_id == "sh2"
    written = stage.world.hyperv.networks.failover[PRIMARY_HOST, DEVICE]
    assert written.address == "10.1.2.10"
    assert stage.allocated("sh2-pool") == ["10.1.2.10"]


@pytest.mark.spec("NW-7", "NW-8")
def test_an_original_that_stays_gets_its_own_address_back(stage: Stage) -> None:
    there_and_changed(stage, "bj1")
    stage.fail_over(FailoverDirection.RECOVERY_TO_PRIMARY)
    written = stage.world.hyperv.networks.failover[PRIMARY_HOST, DEVICE]
    assert (written.address, written.default_gateway) == ("10.1.1.15", "10.1.1.1")


@pytest.mark.spec("NW-3", "NW-7")
def test_a_mapping_back_connects_the_original_of_a_reversed_machine_at_once(stage: Stage) -> None:
    there_and_changed(stage, "bj1")
    stage.map("sh2", "bj1", name="back", back=True)
    stage.world.turn()
    stage.attach_pending()
    assert stage.original.vm_network_id == "sh2"


@pytest.mark.spec("NW-7", "FO-2")
def test_a_failback_goes_on_although_vmm_cannot_be_asked(stage: Stage) -> None:
    there_and_changed(stage, "bj1")
    stage.world.hyperv.broken["read_network_adapters"] = broken("VmmDown")
    job = stage.fail_over(FailoverDirection.RECOVERY_TO_PRIMARY)
    assert job.state_description == "CompletedWithInformation"
    assert stage.original.vm_network_id == "sh1"
    assert stage.world.item().active_location == "Primary"


@pytest.mark.spec("NW-2")
def test_a_network_no_pair_of_clouds_could_use_is_refused(stage: Stage) -> None:
    with refused("NetworkNotAvailable"):
        stage.map()
    stage.world.pair("SilverCloud1", "SilverCloud2")
    stage.world.turn()
    with refused("NetworkNotAvailable"):
        stage.map("bj2")
    assert stage.map("bj1")[0].target_network == "VMNetwork1-Beijing"


@pytest.mark.spec("NW-2")
def test_the_networks_to_choose_from_say_which_pair_can_use_them(stage: Stage) -> None:
    stage.world.pair()
    stage.world.pair("SilverCloud1", "SilverCloud2", policy="Silver")
    stage.world.turn()
    source = queries.find_network(stage.world.fabric("vmm-shanghai"), "SH1")
    assert source is not None
    found = queries.offered_targets(source, stage.world.fabric("vmm-beijing"))
    told = {
        (each.network.name, one.pair.primary_cloud): one.available
        for each in found
        for one in each.pairs
    }
    assert told == {
        ("VMNetwork1-Beijing", "GoldCloud1"): True,
        ("VMNetwork1-Beijing", "SilverCloud1"): True,
        ("VMNetwork2-Beijing", "GoldCloud1"): True,
        ("VMNetwork2-Beijing", "SilverCloud1"): False,
    }


def test_bad_requests_change_nothing(stage: Stage) -> None:
    stage.world.pair()
    stage.world.turn()
    for code, arguments in (
        ("NetworkNotFound", {"target": "none"}),
        ("NetworkNotFound", {"source": "none"}),
        ("InvalidResourceName", {"name": "a/b"}),
    ):
        with refused(code):
            stage.map(**arguments)  # type: ignore[arg-type]  # texts all of them
    assert not NetworkMapping.objects.exists()
    stage.map()
    with refused("NetworkAlreadyMapped"):
        stage.map("bj2", name="other")
    with refused("532"):
        stage.map("bj2")


def test_a_repeated_request_begins_no_second_job(stage: Stage) -> None:
    stage.world.pair()
    stage.world.turn()
    origin = RequestOrigin(started_by="tests", client_request_id="one")
    _, first = stage.map(origin=origin)
    _, second = stage.map(origin=origin)
    assert first.id == second.id


@pytest.mark.spec("NW-6")
def test_placement_is_told_which_networks_the_machine_wants(stage: Stage) -> None:
    stage.world.protect()
    assert queries.wanted_networks(stage.world.item()) == {}
    stage.map()
    stage.world.turn()
    assert queries.wanted_networks(stage.world.item()) == {
        "VMNetwork1-Beijing": "LogicalNetwork1-Beijing"
    }


@pytest.mark.spec("NW-3")
def test_a_replica_is_connected_once_its_cloud_has_the_logical_network(stage: Stage) -> None:
    stage.world.protect()
    stage.world.pair("SilverCloud1", "SilverCloud2", policy="Silver")
    stage.world.turn()
    stage.associate("GoldCloud2", 2)
    stage.map()
    stage.world.turn()
    assert "not available in GoldCloud2" in stage.row.problem
    beijing = stage.world.fabric("vmm-beijing")
    with transaction.atomic():
        follow_networks(beijing, stage.world.now)
    assert not ItemNetworks.objects.get().pending
    stage.associate("GoldCloud2", 1, 2)
    with transaction.atomic():
        follow_networks(beijing, stage.world.now)
    stage.attach_pending()
    assert stage.replica.vm_network_id == "bj1"
    assert stage.row.problem == ""


@pytest.mark.spec("SS-1", "NW-1", "NW-3")
def test_under_one_server_a_network_is_mapped_to_another_of_the_same(stage: Stage) -> None:
    world, host = stage.world, "silvercloud1-hv2.shanghai.contoso.com"
    stage.associate("SilverCloud1", 1, 2)
    world.pair("GoldCloud1", "SilverCloud1")
    world.turn()
    shanghai = world.fabric("vmm-shanghai")
    machine = world.machine("GoldVM1")
    replica = network_pb2.NetworkAdapter(id="replica-nic", device_id=DEVICE)
    world.hyperv.networks.adapters[host, machine.vm_id] = [replica]

    def map_here(target: str) -> None:
        request = MappingRequest(
            vault=world.vault,
            name="map",
            source_fabric=shanghai,
            source_network_id="sh1",
            target_fabric=shanghai,
            target_network_id=target,
        )
        with transaction.atomic():
            map_networks(request, ORIGIN, world.now)
        world.turn()

    with refused("NetworkMappedToItself"):
        map_here("sh1")
    map_here("sh2")
    world.enable()
    world.turn()
    item = world.item()
    assert item.recovery_host == host
    world.hyperv.finish_copy(item.vm_id)
    world.pass_(1)
    for copy in (item.primary_host, host):
        state = world.hyperv.report(item.vm_id, copy, world.now)
        with transaction.atomic():
            ingest_replication(shanghai.id, [state], world.now, world.now)
    world.turn()
    assert world.item().state == "Protected"
    assert replica.vm_network_id == "sh2"
    assert stage.row.address == "10.1.2.10"


def test_an_adapter_that_was_removed_is_forgotten(stage: Stage) -> None:
    stage.world.protect()
    assert ItemAdapter.objects.count() == 1
    stage.map()
    stage.world.turn()
    machine = stage.world.machine("GoldVM1")
    machine.details["adapters"] = []
    machine.save(update_fields=["details"])
    ItemAdapter.objects.update(reserved=False)
    mark_pending([stage.world.item().id], stage.world.now)
    stage.attach_pending()
    assert not ItemAdapter.objects.exists()
    assert not ItemNetworks.objects.get().pending
