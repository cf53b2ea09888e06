"""Mapping networks on PostgreSQL: what replicas are connected to, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import network_pb2
from pytest_django import DjangoAssertNumQueries

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job
from coordinator.jobs.queries import job_view
from coordinator.jobs.registry import RecordCall
from coordinator.jobs.states import JobState
from coordinator.protection.models import ItemAdapter, ItemNetworks, NetworkMapping
from coordinator.protection.networks import queries
from coordinator.protection.networks.attaching import mark_pending
from coordinator.protection.networks.following import follow_networks
from coordinator.protection.networks.mapping import MappingRequest
from coordinator.protection.networks.services import map_networks, unmap_networks
from coordinator.protection.services import ingest_replication
from coordinator.recovery import services as recovery
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.network_stage import (
    DEVICE,
    Stage,
    protect,
    refused,
)
from tests.integration.protection.world import ORIGIN

pytestmark = pytest.mark.django_db


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


@pytest.mark.spec("NW-3")
def test_an_inventory_in_which_no_network_changed_costs_nothing(
    stage: Stage, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    stage.world.protect()
    stage.world.pair("SilverCloud1", "SilverCloud2", policy="Silver")
    stage.world.turn()
    stage.associate("GoldCloud2", 2)
    stage.map()
    stage.world.turn()
    assert stage.row.problem
    beijing = stage.world.fabric("vmm-beijing")
    beijing.followed_revision = beijing.inventory_revision = 99
    with django_assert_max_num_queries(2):
        follow_networks(beijing, stage.world.now)


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


@pytest.mark.spec("NW-3")
def test_a_replica_whose_job_is_refused_lets_others_go_first(stage: Stage) -> None:
    stage.world.protect()
    stage.world.hyperv.broken["connect_network_adapter"] = broken("NoSwitch")
    stage.map()
    stage.world.turn()
    stage.world.pass_(31)
    Provider.objects.filter(fabric__name="vmm-beijing").update(unregistered_at=stage.world.now)
    stage.attach_pending()
    mark = ItemNetworks.objects.get()
    assert mark.pending
    assert mark.next_attempt_at > stage.world.now
    assert not Job.objects.filter(scenario="VmNetworksUpdate").exists()


def breaks(call: RecordCall) -> Mapping[str, object]:
    raise ValueError(call.job_id)


@pytest.mark.spec("NW-3")
def test_a_job_that_breaks_is_not_begun_again_and_again(stage: Stage) -> None:
    stage.world.protect()
    registry = stage.world.registry
    stage.world.registry = replace(
        registry, records={**registry.records, "protection.match_adapters": breaks}
    )
    _, job = stage.map()
    stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    for _ in range(12):
        stage.attach_pending()
        stage.world.pass_(10)
    assert Job.objects.filter(scenario="VmNetworksUpdate").count() == 3
