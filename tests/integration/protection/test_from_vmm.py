"""Protection that is required in VMM: begun once, refused with words, never taken away silently."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.models import Job, OutboxMessage
from coordinator.protection import services
from coordinator.protection.from_vmm.services import (
    ANSWER_TASK,
    MOST_AT_ONCE,
    answer_vmm_requests,
)
from coordinator.protection.inventory_followers import follow_inventory
from coordinator.protection.models import ProtectedItem, VmmRequest
from coordinator.protection.queries import readiness_of
from coordinator.protection.states import ProtectionState
from coordinator.protection.steps import TASKS
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import ORIGIN, World, add_machine

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RE-3")]

HV1 = "goldcloud1-hv1.shanghai.contoso.com"


def change(world: World, name: str = "GoldVM1", **told: object) -> None:
    """A new inventory of Shanghai says so of a machine."""
    machine = world.machine(name)
    fabric = Fabric.objects.get(id=machine.fabric_id)
    fabric.inventory_revision += 1
    fabric.save()
    machine.details = {**machine.details, **told}
    machine.revision = fabric.inventory_revision
    machine.state = str(told.get("state", machine.state))
    machine.save()
    world.pass_(1)
    follow_inventory(world.now, str(fabric.id))
    world.turn()


def require(world: World, *, required: bool = True) -> None:
    change(world, dr_protection_required=required)


def retry(world: World) -> None:
    with transaction.atomic():
        answer_vmm_requests(world.now)
    world.turn()


def items() -> list[str]:
    return list(ProtectedItem.objects.values_list("friendly_name", flat=True))


def codes(world: World, name: str = "GoldVM1") -> list[str]:
    machine = world.machine(name)
    return [error.code for error in readiness_of(machine.fabric_id, [machine])[machine.id].errors]


@pytest.fixture
def paired(world: World) -> World:
    world.pair()
    world.turn()
    return world


def test_a_machine_that_vmm_wants_protected_is_protected_by_itself(paired: World) -> None:
    change(paired, dr_protection_required=False)
    assert items() == []
    require(paired)
    assert items() == ["GoldVM1"]
    job = Job.objects.get(scenario="EnableDr")
    assert job.started_by == "VMM"
    assert paired.item().state == ProtectionState.INITIAL_REPLICATION
    require(paired)
    retry(paired)
    assert Job.objects.filter(scenario="EnableDr").count() == 1


def test_a_machine_of_an_unpaired_cloud_says_so_and_is_protected_once_it_is_paired(
    world: World,
) -> None:
    require(world)
    assert items() == []
    assert codes(world) == ["CloudNotPaired"]
    retry(world)
    assert not Job.objects.exists()
    world.pair()
    world.turn()
    world.pass_(120)
    retry(world)
    assert items() == ["GoldVM1"]
    assert codes(world) == []


def test_a_machine_that_cannot_be_protected_says_why_and_is_not_tried_for_ever(
    paired: World,
) -> None:
    change(paired, dr_protection_required=True, state="Saved")
    assert codes(paired) == ["VirtualMachineStateNotSupported"]
    for _ in range(200):
        paired.pass_(60)
        retry(paired)
    request = VmmRequest.objects.get()
    assert request.attempts < 12
    assert request.retry_at - paired.now <= timedelta(hours=1)
    assert not Job.objects.filter(scenario="EnableDr").exists()
    change(paired, state="Running")
    assert items() == ["GoldVM1"]


def test_a_refusal_that_readiness_does_not_know_is_told_with_four_things(paired: World) -> None:
    machine = paired.machine("GoldVM1")
    VirtualMachine.objects.filter(id=machine.id).update(host_fqdn="new-hv.shanghai.contoso.com")
    require(paired)
    machine = paired.machine("GoldVM1")
    [error] = readiness_of(machine.fabric_id, [machine])[machine.id].errors
    assert error.code == "HostNotPaired"
    assert "VMM requires its protection" in error.message
    assert error.possible_causes
    assert error.recommended_action


def test_enabling_that_failed_is_not_begun_again_by_itself(paired: World) -> None:
    paired.hyperv.broken["enable_replication"] = broken()
    require(paired)
    assert paired.item().state == ProtectionState.ENABLING_FAILED
    paired.hyperv.broken.clear()
    paired.pass_(7200)
    retry(paired)
    change(paired, memory_bytes="1")
    assert Job.objects.filter(scenario="EnableDr").count() == 1


def test_a_mark_that_is_taken_away_ends_no_protection_and_is_shown(paired: World) -> None:
    require(paired)
    require(paired, required=False)
    item = paired.item()
    assert item.state == ProtectionState.INITIAL_REPLICATION
    [error] = item.fabric_errors
    assert (error["errorCode"], error["errorLevel"]) == ("ProtectionNotRequiredInVmm", "Warning")
    assert error["possibleCauses"]
    assert error["recommendedAction"]
    require(paired)
    assert paired.item().fabric_errors == []


def test_a_mark_that_is_taken_away_before_protection_began_is_forgotten(world: World) -> None:
    require(world)
    require(world, required=False)
    assert not VmmRequest.objects.exists()


@pytest.mark.spec("RE-7")
def test_disabling_clears_the_mark_and_protection_does_not_begin_again(paired: World) -> None:
    require(paired)
    with transaction.atomic():
        services.disable_protection(paired.item(), ORIGIN, paired.now)
    paired.turn()
    assert items() == []
    assert f"mark.cleared {HV1}" in paired.hyperv.effects
    # VMM has not been looked at since, or the mark was not taken away.
    change(paired, memory_bytes="1")
    retry(paired)
    assert items() == []
    # Only who takes it away and sets it anew asks anew.
    require(paired, required=False)
    assert not VmmRequest.objects.exists()
    require(paired)
    assert items() == ["GoldVM1"]


@pytest.mark.spec("RE-7")
def test_a_mark_that_cannot_be_cleared_keeps_no_protection(paired: World) -> None:
    require(paired)
    paired.hyperv.broken["clear_dr_protection"] = broken()
    with transaction.atomic():
        job = services.disable_protection(paired.item(), ORIGIN, paired.now)
    paired.turn()
    assert items() == []
    job.refresh_from_db()
    assert (job.state, job.state_description) == ("Succeeded", "CompletedWithInformation")


@pytest.mark.spec("RE-7")
def test_a_machine_that_vmm_loses_sight_of_is_not_protected_anew_when_it_is_back(
    paired: World,
) -> None:
    require(paired)
    paired.hyperv.broken["clear_dr_protection"] = broken()
    with transaction.atomic():
        services.disable_protection(paired.item(), ORIGIN, paired.now)
    paired.turn()
    assert items() == []
    for gone_at in (paired.now, None):
        VirtualMachine.objects.filter(name="GoldVM1").update(gone_at=gone_at)
        require(paired)
    assert items() == []


def test_the_commands_to_clean_up_by_hand_clear_the_mark(paired: World) -> None:
    require(paired)
    with transaction.atomic():
        job = services.remove_from_vault(paired.item(), ORIGIN, paired.now)
    commands = job.arguments["affected_objects"][HV1]
    assert "Set-SCVirtualMachine -ClearDRProtection" in commands


def test_a_protected_machine_that_is_marked_begins_nothing(paired: World) -> None:
    paired.enable()
    paired.turn()
    require(paired)
    assert Job.objects.filter(scenario="EnableDr").count() == 1


def test_a_replica_with_the_mark_is_no_machine_to_protect(paired: World) -> None:
    change(paired, dr_protection_required=True, recovery=True)
    assert items() == []
    assert not VmmRequest.objects.exists()


def test_many_marks_of_one_revision_begin_a_few_in_each_transaction(paired: World) -> None:
    count = 2 * MOST_AT_ONCE + 5
    fabric = paired.fabric("vmm-shanghai")
    fabric.inventory_revision += 1
    fabric.save()
    for number in range(count):
        machine = add_machine(paired, f"Many{number}", "GoldCloud1", HV1)
        machine.details["dr_protection_required"] = True
        machine.revision = fabric.inventory_revision
        if number == 0:
            # One that cannot begin keeps no other from its turn.
            machine.state = "Saved"
        machine.save()
    follow_inventory(paired.now, str(fabric.id))
    enabling = Job.objects.filter(scenario="EnableDr")
    assert not enabling.exists()
    begun: list[int] = []
    while messages := list(OutboxMessage.objects.filter(task=ANSWER_TASK)):
        before = enabling.count()
        [message] = messages
        carry_out(message.pk, TASKS, paired.clock)
        begun.append(enabling.count() - before)
    assert sum(begun) == count - 1
    assert max(begun) <= MOST_AT_ONCE
    refused = VmmRequest.objects.get(answered_at=None)
    assert refused.machine.name == "Many0"
    assert refused.retry_at > paired.now
