"""Addresses of replicas out of static pools, on PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.fabrics.models import FabricObject
from coordinator.jobs.registry import Registry
from coordinator.protection.models import ItemAdapter
from coordinator.protection.services import disable_protection
from coordinator.protection.states import FailoverDirection
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.network_stage import (
    DEVICE,
    RECOVERY_HOST,
    Stage,
)
from tests.integration.protection.world import ORIGIN, make_world

pytestmark = pytest.mark.django_db


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


@pytest.mark.spec("NW-8")
def test_what_another_vault_keeps_of_a_pool_of_the_same_name_is_nobodys_business_here(
    stage: Stage, registry: Registry
) -> None:
    stages = (Stage(make_world(registry)), stage)
    for each in stages:
        each.world.protect()
        each.map()
        each.world.turn()
    rows = [ItemAdapter.objects.get(item=each.world.item()) for each in stages]
    assert rows[0].pool_id == rows[1].pool_id
    assert rows[0].address == rows[1].address != ""
