"""Items whose job is gone, and finalizing that keeps failing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coordinator.jobs.models import Job
from coordinator.protection.enabling.finalizing import LONGEST_PAUSE, pause_after
from coordinator.protection.models import FirstCopy, ProtectedItem
from coordinator.protection.states import TRANSITIONS, ProtectionState, next_state
from coordinator.protection.steps import PERIODIC, TASKS
from coordinator.protection.sweep import LEFT_BEHIND
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import World

IN_PROGRESS = [
    ProtectionState.ENABLING,
    ProtectionState.READY_TO_COPY,
    ProtectionState.PLANNED_FAILOVER,
    ProtectionState.PLANNED_FAILOVER_COMPLETING,
    ProtectionState.UNPLANNED_FAILOVER,
    ProtectionState.UNPLANNED_FAILOVER_COMPLETING,
    ProtectionState.CHANGING_POINT,
    ProtectionState.COMMITTING,
    ProtectionState.REVERSING,
    ProtectionState.DISABLING,
]


def sweep(world: World) -> None:
    TASKS["protection.sweep_items"](world.now)


def test_every_task_that_begins_by_itself_is_one_that_can_be_carried_out() -> None:
    assert PERIODIC.keys() <= TASKS.keys()


@pytest.mark.parametrize("state", IN_PROGRESS)
def test_every_state_of_an_operation_has_a_way_out(state: ProtectionState) -> None:
    assert (state, LEFT_BEHIND[state]) in TRANSITIONS


@pytest.mark.django_db
@pytest.mark.parametrize("state", IN_PROGRESS)
@pytest.mark.spec("JB-3")
def test_an_item_whose_job_is_gone_goes_where_a_failure_leads(
    world: World, state: ProtectionState
) -> None:
    world.protect()
    ProtectedItem.objects.update(state=state)
    sweep(world)
    assert world.item().state == next_state(state, LEFT_BEHIND[state])


@pytest.mark.django_db
@pytest.mark.spec("JB-3")
@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("", ProtectionState.UNPLANNED_FAILOVER_FAILED),
        ("Planned", ProtectionState.CANCELLING_FAILED),
        ("Unplanned", ProtectionState.CANCELLING_FAILED),
    ],
)
def test_a_cancellation_whose_job_is_gone_can_be_gone_on_with_on_the_side_that_is_left(
    world: World, kind: str, after: ProtectionState
) -> None:
    world.protect()
    ProtectedItem.objects.update(state=ProtectionState.CANCELLING, failover_type=kind)
    sweep(world)
    assert world.item().state == after


@pytest.mark.django_db
@pytest.mark.spec("JB-3")
def test_what_an_interrupted_failover_did_at_the_source_is_not_known(world: World) -> None:
    world.protect()
    ProtectedItem.objects.update(state=ProtectionState.PLANNED_FAILOVER)
    sweep(world)
    assert world.item().state == ProtectionState.PLANNED_FAILOVER_FAILED


@pytest.mark.django_db
@pytest.mark.spec("JB-3")
def test_an_item_whose_job_is_gone_keeps_no_place_in_line(world: World) -> None:
    world.protect()
    ProtectedItem.objects.update(state=ProtectionState.READY_TO_COPY)
    nothing = {"granted_at": None, "begun_at": None, "ended_at": None}
    FirstCopy.objects.update(source_place=None, recovery_place=None, **nothing)
    sweep(world)
    assert FirstCopy.objects.get().ended_at == world.now


@pytest.mark.django_db
@pytest.mark.spec("JB-3")
def test_an_item_that_a_job_works_on_is_left_alone(world: World) -> None:
    world.pair()
    world.turn()
    world.enable()
    sweep(world)
    assert world.item().state == ProtectionState.ENABLING


def test_pauses_grow_and_have_an_end() -> None:
    pauses = [pause_after(failures) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=10)
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.django_db
@pytest.mark.spec("RE-2")
def test_finalizing_that_fails_is_tried_again_after_growing_pauses_and_then_ends_well(
    world: World,
) -> None:
    world.pair()
    world.turn()
    item, _ = world.enable()
    world.turn()
    world.hyperv.finish_copy(item.vm_id)
    world.hyperv.broken["read_replication"] = broken()
    jobs = Job.objects.filter(scenario="PrimaryIrCompletion")
    tried = []
    for _ in range(12):
        # A report every ten seconds asks for it.
        world.pass_(10)
        world.report()
        world.turn()
        tried.append(jobs.count())
    assert tried == sorted(tried)
    # Pauses of 10, 20, 40 and 80 seconds within two minutes.
    assert tried[-1] in {3, 4}
    del world.hyperv.broken["read_replication"]
    world.pass_(3600)
    world.report()
    world.turn()
    item = world.item()
    assert (item.state, item.finalizing_failures) == (ProtectionState.PROTECTED, 0)
