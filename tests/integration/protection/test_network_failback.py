"""What originals are connected to when machines come back, on PostgreSQL."""

from __future__ import annotations

import pytest

from coordinator.protection.states import FailoverDirection
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.network_stage import (
    DEVICE,
    PRIMARY_HOST,
    Stage,
    there_and_changed,
)

pytestmark = pytest.mark.django_db


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
