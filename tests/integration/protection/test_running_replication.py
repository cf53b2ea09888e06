"""A replication as it runs: paused, resumed, compared anew, repaired; its disks, its schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction

from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, Step
from coordinator.protection import services
from coordinator.protection.models import ProtectedItem
from coordinator.protection.operations import Operation, allowed_operations
from coordinator.protection.queries import picture_of
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.rules import Window
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.protection.steps import TASKS
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RE-5")]

PRIMARY = "goldcloud1-hv1.shanghai.contoso.com"
ONE, TWO = "C:\\Disks\\one.vhdx", "C:\\Disks\\two.vhdx"


@pytest.fixture
def protected(world: World) -> World:
    item = world.protect()
    world.hyperv.disks[item.vm_id] = {ONE: True}
    world.report()
    world.turn()
    world.hyperv.effects.clear()
    return world


def run(world: World, begin: Callable[..., Job], **more: object) -> Job:
    """Begins a job, has it done, and has both providers report what came of it."""
    with transaction.atomic():
        job = begin(world.item(), ORIGIN, world.now, **more)
    settle(world)
    world.report()
    # The engine looks at what it waits for every few seconds.
    world.pass_(10)
    settle(world)
    job.refresh_from_db()
    return job


def settle(world: World) -> None:
    """As `World.turn`, for jobs that wait for a report: they are never without something to do."""
    for _ in range(6):
        world.work()
        for provider in (world.shanghai, world.beijing):
            for command in provider.fetch():
                provider.answer(command, world.now, world.hyperv.answer)


def set_state(world: World, side: ActiveLocation, state: str) -> ProtectedItem:
    item = world.item()
    host = item.primary_host if side is ActiveLocation.PRIMARY else item.recovery_host
    world.hyperv.copies[host, item.vm_id].state = state
    world.report()
    return world.item()


def allowed(item: ProtectedItem) -> Sequence[str]:
    return allowed_operations(ProtectionState(item.state), picture_of(item))


def test_pausing_and_resuming_shows_in_health_and_in_what_is_allowed(protected: World) -> None:
    assert {Operation.PAUSE_REPLICATION, Operation.RESYNCHRONIZE} <= set(allowed(protected.item()))
    assert Operation.RESUME_REPLICATION not in allowed(protected.item())
    job = run(protected, services.pause_replication)
    assert (job.scenario, job.state) == ("PauseReplication", "Succeeded")
    item = protected.item()
    assert [error["errorCode"] for error in item.health_errors] == ["67502"]
    # Paused or not, the item is protected: there is a replica to fail over to.
    assert item.state == ProtectionState.PROTECTED
    assert Operation.RESUME_REPLICATION in allowed(item)
    assert Operation.PAUSE_REPLICATION not in allowed(item)
    assert run(protected, services.resume_replication).state == "Succeeded"
    assert protected.item().health_errors == []
    assert protected.hyperv.effects == [
        f"replication.suspended {PRIMARY}",
        f"replication.replicating {PRIMARY}",
    ]


@pytest.mark.parametrize(
    ("sender", "receiver", "effects"),
    [
        ("Error", "Replicating", ["replicating primary"]),
        ("Replicating", "Suspended", ["replicating recovery"]),
        ("Suspended", "Suspended", ["replicating recovery", "replicating primary"]),
        ("WaitingForStartResynchronize", "Replicating", ["resynchronizing primary"]),
        (
            "WaitingForStartResynchronize",
            "Suspended",
            ["replicating recovery", "resynchronizing primary"],
        ),
    ],
)
def test_repairing_does_what_each_state_needs(
    protected: World, sender: str, receiver: str, effects: list[str]
) -> None:
    set_state(protected, ActiveLocation.PRIMARY, sender)
    item = set_state(protected, ActiveLocation.RECOVERY, receiver)
    hosts = {"primary": item.primary_host, "recovery": item.recovery_host}
    job = run(protected, services.repair_replication)
    assert (job.scenario, job.state) == ("RepairReplication", "Succeeded")
    expected = [each.split() for each in effects]
    assert protected.hyperv.effects == [f"replication.{what} {hosts[at]}" for what, at in expected]


@pytest.mark.parametrize(
    ("begin", "state"),
    [
        (services.repair_replication, "Replicating"),
        (services.resume_replication, "Replicating"),
        (services.resume_replication, "WaitingForStartResynchronize"),
        (services.pause_replication, "Suspended"),
        (services.pause_replication, "Error"),
        (services.resynchronize, "Resynchronizing"),
        (services.resynchronize, "PreparedForFailover"),
    ],
)
@pytest.mark.spec("FO-6")
def test_what_makes_no_sense_is_refused_with_what_would_allow_it_and_begins_nothing(
    protected: World, begin: Callable[..., Job], state: str
) -> None:
    set_state(protected, ActiveLocation.PRIMARY, state)
    jobs = Job.objects.count()
    with pytest.raises(RefusedError) as refused:
        begin(protected.item(), ORIGIN, protected.now)
    failure = refused.value.failure
    assert failure.code == "OperationNotAllowed"
    assert failure.possible_causes
    assert failure.recommended_action
    assert Job.objects.count() == jobs


@pytest.mark.spec("FO-6")
def test_a_second_operation_on_a_busy_item_is_refused_with_532(protected: World) -> None:
    services.pause_replication(protected.item(), ORIGIN, protected.now)
    with pytest.raises(RefusedError) as refused:
        services.resynchronize(protected.item(), ORIGIN, protected.now)
    assert refused.value.failure.code == "532"


def test_the_same_request_begins_one_job(protected: World) -> None:
    origin = RequestOrigin(started_by="tests", client_request_id="once")
    jobs = [
        services.pause_replication(protected.item(), origin, protected.now).id for _ in range(2)
    ]
    settle(protected)
    jobs.append(services.pause_replication(protected.item(), origin, protected.now).id)
    assert len(set(jobs)) == 1


def test_a_failed_pause_leaves_the_item_as_it_is(protected: World) -> None:
    protected.hyperv.broken["suspend_replication"] = broken()
    job = run(protected, services.pause_replication)
    assert job.state == "Failed"
    assert protected.item().state == ProtectionState.PROTECTED
    del protected.hyperv.broken["suspend_replication"]
    assert run(protected, services.pause_replication).state == "Succeeded"


def test_a_disk_attached_later_is_told_and_can_be_added_or_left_out(protected: World) -> None:
    item = protected.item()
    protected.hyperv.disks[item.vm_id] = {ONE: True, TWO: False}
    protected.report()
    [error] = protected.item().health_errors
    assert error["errorCode"] == "DiskNotReplicated"
    assert TWO in str(error["errorMessage"])
    assert run(protected, services.change_disks, add=[TWO.upper()]).state == "Succeeded"
    assert protected.hyperv.disks[item.vm_id] == {ONE: True, TWO: True}
    assert protected.item().health_errors == []
    assert run(protected, services.change_disks, remove=[TWO]).state == "Succeeded"
    item = protected.item()
    # Left out on purpose: shown, but nothing is wrong.
    assert (item.excluded_disks, item.health_errors) == ([TWO], [])
    assert item.replication_health == "Normal"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"add": ["D:\\none.vhdx"]}, "DiskNotFound"), ({"remove": [ONE]}, "NoDiskLeft")],
)
def test_disks_that_are_not_there_and_the_last_one_are_refused(
    protected: World, change: dict[str, list[str]], code: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        services.change_disks(
            protected.item(),
            ORIGIN,
            protected.now,
            add=change.get("add", ()),
            remove=change.get("remove", ()),
        )
    assert refused.value.failure.code == code


def test_every_machine_resynchronizes_by_itself_outside_office_hours_until_it_is_set_otherwise(
    protected: World,
) -> None:
    item = protected.item()
    copy = protected.hyperv.copies[item.primary_host, item.vm_id]
    begin = services.change_automatic_resynchronization
    with transaction.atomic():
        begin(item, Window(3600, 7200), ORIGIN, protected.now)
    settle(protected)
    assert copy.settings["auto_resynchronize"] is True
    assert str(copy.settings["auto_resynchronize_end"]).strip() == "seconds: 7200"
    with transaction.atomic():
        begin(item, None, ORIGIN, protected.now)
    settle(protected)
    assert copy.settings["auto_resynchronize"] is False


def look_at_the_schedule(world: World) -> None:
    with transaction.atomic():
        TASKS["protection.begin_scheduled_resynchronizations"](world.now)


def test_a_resynchronization_begins_at_its_time_and_once(protected: World) -> None:
    at = protected.now + timedelta(hours=3)
    services.schedule_resynchronization(protected.item(), at, ORIGIN, protected.now)
    assert protected.item().resynchronize_at == at
    for seconds, effects in ((3600, 0), (7300, 1), (60, 1)):
        protected.pass_(seconds)
        protected.report()
        look_at_the_schedule(protected)
        settle(protected)
        assert len(protected.hyperv.effects) == effects
    assert protected.item().resynchronize_at is None
    [job] = Job.objects.filter(scenario="ResynchronizeReplication")
    assert job.started_by == ORIGIN.started_by


def test_a_busy_item_keeps_its_turn_and_one_that_cannot_be_compared_loses_it(
    protected: World,
) -> None:
    at = protected.now + timedelta(minutes=1)
    services.schedule_resynchronization(protected.item(), at, ORIGIN, protected.now)
    protected.pass_(120)
    services.pause_replication(protected.item(), ORIGIN, protected.now)
    look_at_the_schedule(protected)
    assert protected.item().resynchronize_at == at
    Job.objects.all().delete()
    set_state(protected, ActiveLocation.PRIMARY, "Resynchronizing")
    look_at_the_schedule(protected)
    assert protected.item().resynchronize_at is None
    assert protected.hyperv.effects == []


def test_machines_due_at_once_are_held_in_the_order_in_which_reports_hold_them(
    protected: World,
) -> None:
    item = protected.item()
    sides = list(item.sides.all())
    item_ids = [UUID(int=number) for number in range(1, 5)]
    for item_id in item_ids:
        item.pk, item.vm_id, item.name = item_id, str(item_id), str(item_id)
        # The later an id comes, the earlier its time.
        item.resynchronize_at = protected.now - timedelta(seconds=item_id.int)
        item.save(force_insert=True)
        for side in sides:
            side.pk, side.item = None, item
            side.save(force_insert=True)
    look_at_the_schedule(protected)
    begun = Step.objects.filter(job__scenario="ResynchronizeReplication").order_by("id")
    targets = list(dict.fromkeys(begun.values_list("job__target_id", flat=True)))
    assert targets == [str(item_id) for item_id in item_ids]


@pytest.mark.parametrize("days", [-1, 0, 8])
def test_times_that_have_passed_or_are_too_far_ahead_are_refused(
    protected: World, days: int
) -> None:
    at = protected.now + timedelta(days=days)
    with pytest.raises(RefusedError) as refused:
        services.schedule_resynchronization(protected.item(), at, ORIGIN, protected.now)
    assert refused.value.failure.code == "ResynchronizationTimeNotPossible"
    assert protected.item().resynchronize_at is None
