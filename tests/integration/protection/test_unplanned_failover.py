"""Failover without counting on the source, another point, back again, and what was lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.services import cancel_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import RecoveryPoint
from coordinator.protection.services import pause_replication
from coordinator.protection.states import FailoverDirection, ProtectionState
from coordinator.recovery import services as recovery
from coordinator.recovery.options import (
    ChangePointOptions,
    RecoveryTag,
    UnplannedFailoverOptions,
)
from tests.integration.protection.fake_hyperv import Copy, broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

ALONE = UnplannedFailoverOptions()
WITH_SOURCE = UnplannedFailoverOptions(source_site_operations=True)


@pytest.fixture
def protected(world: World) -> World:
    world.protect()
    world.report(points=4)
    Provider.objects.filter(vault=world.vault).update(last_heartbeat_at=world.now)
    return world


def lose(world: World, site: str = "vmm-shanghai") -> None:
    """The site's server and hosts are gone."""
    Provider.objects.filter(name=site).update(
        disconnected_at=world.now, last_heartbeat_at=world.now - timedelta(hours=1)
    )
    (world.shanghai if site == "vmm-shanghai" else world.beijing).lost = True


def run(world: World, begin: Callable[[], Job]) -> Job:
    with transaction.atomic():
        job = begin()
    world.turn()
    job.refresh_from_db()
    assert job.finished_at is None or not OperationLock.objects.filter(job=job).exists()
    return job


def fail_over(world: World, options: UnplannedFailoverOptions = ALONE) -> Job:
    return run(world, lambda: recovery.unplanned_failover(world.item(), options, ORIGIN, world.now))


def change_point(world: World, options: ChangePointOptions) -> Job:
    return run(
        world, lambda: recovery.change_recovery_point(world.item(), options, ORIGIN, world.now)
    )


def cancel(world: World) -> Job:
    return run(world, lambda: recovery.cancel_failover(world.item(), ORIGIN, world.now))


def commit(world: World) -> Job:
    return run(world, lambda: recovery.commit_failover(world.item(), ORIGIN, world.now))


def reverse(world: World) -> Job:
    return run(world, lambda: recovery.reverse_replicate(world.item(), ORIGIN, world.now))


def planned(world: World) -> Job:
    return run(world, lambda: recovery.planned_failover(world.item(), None, ORIGIN, world.now))


def copies(world: World) -> tuple[Copy, Copy]:
    """The machine's copy at the primary site, and the one at the recovery site."""
    item = world.item()
    return (
        world.hyperv.copies[item.primary_host, item.vm_id],
        world.hyperv.copies[item.recovery_host, item.vm_id],
    )


def task_states(job: Job) -> list[tuple[str, str]]:
    steps: dict[str, list[str]] = {}
    for step in job.steps.all():
        steps.setdefault(step.task, []).append(step.state)
    return [(task["name"], "ran" if task["name"] in steps else "skipped") for task in job.tasks]


@pytest.mark.spec("FO-3")
def test_a_failover_with_the_source_gone_needs_the_recovery_side_alone(protected: World) -> None:
    lose(protected)
    sent = len(protected.shanghai.received)
    job = fail_over(protected, WITH_SOURCE)
    assert (job.state, job.state_description) == ("Succeeded", "Completed")
    assert len(protected.shanghai.received) == sent
    assert task_states(job) == [
        ("VmUfoPrerequisitesCheck", "ran"),
        ("VmShutdownVmOnPrimary", "skipped"),
        ("VmPrepareForUnPlannedFailover", "skipped"),
        ("VmFailover", "ran"),
        ("VmFoStartVmOnSecondary", "ran"),
    ]
    item = protected.item()
    assert item.state == ProtectionState.UNPLANNED_COMMIT_PENDING
    assert (item.active_location, item.role_epoch, item.failover_type) == (
        "Recovery",
        2,
        "Unplanned",
    )
    assert copies(protected)[1].vm_state == "Running"


@pytest.mark.spec("FO-3")
def test_the_loss_is_said_from_what_both_sides_told_last(protected: World) -> None:
    lose(protected)
    told_at = protected.now
    protected.pass_(100)
    job = fail_over(protected)
    facts = protected.item().failover
    assert facts is not None
    # Both sides named logs of 20 seconds before their report; the source ran when it reported.
    assert facts["lost_at_least_seconds"] == pytest.approx(20, abs=1)
    assert facts["lost_at_most_seconds"] == pytest.approx(120, abs=1)
    assert facts["recovered_until"] == (told_at - timedelta(seconds=20)).isoformat()
    assert "lost at most" in job.left_text
    told = job.steps.get(key="failover/record").result
    assert told is not None
    assert facts.items() <= told.items()


@pytest.mark.spec("FO-3")
def test_with_the_source_there_it_is_shut_down_and_nothing_is_lost(protected: World) -> None:
    job = fail_over(protected, WITH_SOURCE)
    assert job.state == JobState.SUCCEEDED
    item, (source, _) = protected.item(), copies(protected)
    assert (source.vm_state, source.state) == ("Off", "PreparedForFailover")
    assert item.failover is not None
    assert item.failover["lost_at_most_seconds"] == 0
    assert item.sides_in_step
    assert "nothing was lost" in job.left_text
    # Then the way back is as short as after a planned one.
    job = reverse(protected)
    assert "VmShutdownVmOnSecondary" not in [task["name"] for task in job.tasks]
    assert protected.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("FO-3", "FO-7")
def test_a_source_that_answers_is_turned_off_though_nothing_was_asked_of_it(
    protected: World,
) -> None:
    job = fail_over(protected, ALONE)
    assert job.state == JobState.SUCCEEDED
    source, target = copies(protected)
    assert (source.vm_state, source.state) == ("Off", "Replicating")
    assert target.vm_state == "Running"
    effects = protected.hyperv.effects
    item = protected.item()
    assert effects.index(f"vm.off {item.primary_host}") < effects.index(
        f"failover.started {item.recovery_host}"
    )
    assert dict(task_states(job))["VmPrepareForUnPlannedFailover"] == "skipped"


@pytest.mark.spec("FO-3")
@pytest.mark.parametrize("verb", ["prepare_failover", "stop_virtual_machine"])
def test_what_fails_at_the_source_is_told_and_stops_nothing_unless_it_runs(
    protected: World, verb: str
) -> None:
    protected.hyperv.broken[verb] = broken()
    job = fail_over(protected, WITH_SOURCE)
    if verb == "prepare_failover":
        assert (job.state, job.state_description) == ("Succeeded", "CompletedWithInformation")
        assert not protected.item().sides_in_step
        return
    assert [error["code"] for error in job.errors][-1] == "SourceStillRunning"
    assert protected.item().state == ProtectionState.PROTECTED
    assert copies(protected)[0].vm_state == "Running"
    assert copies(protected)[1].state == "Replicating"


@pytest.mark.spec("FO-3")
@pytest.mark.parametrize(
    ("tag", "number"),
    [
        (RecoveryTag.LATEST_APPLICATION_CONSISTENT, 3),
        (RecoveryTag.LATEST_CRASH_CONSISTENT, 2),
    ],
)
def test_a_tag_names_the_newest_point_of_its_kind(
    protected: World, tag: RecoveryTag, number: int
) -> None:
    lose(protected)
    fail_over(protected, UnplannedFailoverOptions(recovery_tag=tag))
    facts = protected.item().failover
    assert facts is not None
    assert facts["recovery_point_id"] == f"{protected.item().vm_id}-{number}"
    assert facts["lost_at_least_seconds"] == pytest.approx((4 - number) * 3600, abs=60)


@pytest.mark.spec("FO-3")
def test_a_point_that_is_gone_is_refused_naming_those_there_are(protected: World) -> None:
    options = UnplannedFailoverOptions(recovery_point_id="gone")
    error = refusal(lambda: fail_over(protected, options))
    assert (error.failure.code, error.field) == ("RecoveryPointNotFound", "recoveryPointId")
    assert f"{protected.item().vm_id}-3" in error.failure.message
    # One that the host has no more, though it told of it.
    copies(protected)[1].points = []
    point_id = RecoveryPoint.objects.latest("time").point_id
    job = fail_over(protected, UnplannedFailoverOptions(recovery_point_id=point_id))
    assert [error["code"] for error in job.errors] == ["RecoveryPointNotFound"]
    assert protected.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("FO-3")
def test_a_direction_that_is_none_is_refused(protected: World) -> None:
    options = UnplannedFailoverOptions(direction=FailoverDirection.RECOVERY_TO_PRIMARY)
    error = refusal(lambda: fail_over(protected, options))
    assert error.failure.code == "FailoverDirectionNotPossible"


@pytest.mark.spec("FO-3")
def test_a_failover_that_fails_past_no_return_is_repeated_and_discards_the_first(
    protected: World,
) -> None:
    lose(protected)
    protected.hyperv.broken["start_failover"] = broken()
    assert fail_over(protected).state == JobState.FAILED
    assert protected.item().state == ProtectionState.UNPLANNED_FAILOVER_FAILED
    # Its effect had come, only not its answer.
    copies(protected)[1].state = "FailedOverWaitingCompletion"
    protected.hyperv.broken.clear()
    assert fail_over(protected).state == JobState.SUCCEEDED
    item = protected.item()
    assert protected.hyperv.effects.count(f"failover.cancelled {item.recovery_host}") == 1
    assert item.role_epoch == 2


@pytest.mark.spec("FO-4")
def test_another_point_until_the_commit_and_none_after_it(protected: World) -> None:
    lose(protected)
    fail_over(protected)
    point_id = f"{protected.item().vm_id}-1"
    job = change_point(protected, ChangePointOptions(recovery_point_id=point_id))
    assert job.state == JobState.SUCCEEDED
    item = protected.item()
    assert item.state == ProtectionState.UNPLANNED_COMMIT_PENDING
    assert (item.active_location, item.role_epoch) == ("Recovery", 2)
    assert item.failover is not None
    assert item.failover["recovery_point_id"] == point_id
    assert copies(protected)[1].vm_state == "Running"
    assert commit(protected).state == JobState.SUCCEEDED
    assert protected.item().state == ProtectionState.COMMITTED
    assert not RecoveryPoint.objects.exists()
    error = refusal(lambda: change_point(protected, ChangePointOptions()))
    assert error.failure.code == "OperationNotAllowed"
    assert "committed" in error.failure.possible_causes[0]


@pytest.mark.spec("FO-4")
def test_a_change_of_point_that_stops_early_leaves_the_failover_as_it_was(
    protected: World,
) -> None:
    planned(protected)
    protected.hyperv.broken["read_replication"] = broken()
    job = change_point(protected, ChangePointOptions())
    assert "not touched" in job.left_text
    assert protected.item().state == ProtectionState.COMMIT_PENDING
    protected.hyperv.broken = {"start_failover": broken()}
    job = change_point(protected, ChangePointOptions())
    assert protected.item().state == ProtectionState.CHANGING_POINT_FAILED
    protected.hyperv.broken.clear()
    change_point(protected, ChangePointOptions())
    # Its source has more than it now, so the way back compares.
    assert protected.item().state == ProtectionState.UNPLANNED_COMMIT_PENDING
    reverse(protected)
    assert copies(protected)[0].mode == "Replica"


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize("begin", [planned, fail_over])
def test_a_cancelled_failover_runs_where_it_came_from(
    protected: World, begin: Callable[[World], Job]
) -> None:
    begin(protected)
    job = cancel(protected)
    assert (job.state, job.state_description) == ("Succeeded", "Completed")
    assert "runs on the primary side" in job.left_text
    item, (source, target) = protected.item(), copies(protected)
    assert (item.state, item.active_location, item.role_epoch) == ("Protected", "Primary", 3)
    assert (source.mode, source.state, source.vm_state) == ("Primary", "Replicating", "Running")
    assert (target.mode, target.state, target.vm_state) == ("Replica", "Replicating", "Off")
    effects = protected.hyperv.effects
    assert effects.index(f"failover.cancelled {item.recovery_host}") < effects.index(
        f"vm.running {item.primary_host}"
    )


@pytest.mark.spec("FO-4")
def test_cancelling_with_the_source_gone_says_that_the_machine_runs_nowhere(
    protected: World,
) -> None:
    lose(protected)
    fail_over(protected)
    job = cancel(protected)
    assert "neither side" in job.left_text
    assert protected.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("FO-4")
def test_cancelling_a_planned_failover_needs_its_source(protected: World) -> None:
    planned(protected)
    lose(protected)
    error = refusal(lambda: cancel(protected))
    assert (error.failure.code, error.status) == ("SourceNotConnected", 409)
    assert protected.item().state == ProtectionState.COMMIT_PENDING


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize("verb", ["read_replication", "cancel_failover"])
def test_a_cancellation_that_fails_says_what_is_certain(protected: World, verb: str) -> None:
    planned(protected)
    protected.hyperv.broken[verb] = broken()
    job = cancel(protected)
    touched = verb == "cancel_failover"
    assert ("not certain" in job.left_text) is touched
    expected = ProtectionState.CANCELLING_FAILED if touched else ProtectionState.COMMIT_PENDING
    assert protected.item().state == expected
    protected.hyperv.broken.clear()
    assert cancel(protected).state == JobState.SUCCEEDED
    assert protected.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("FO-4")
def test_a_planned_failover_whose_end_is_unknown_can_be_cancelled(protected: World) -> None:
    protected.hyperv.broken["start_failover"] = broken()
    planned(protected)
    assert protected.item().state == ProtectionState.PLANNED_FAILOVER_FAILED
    protected.hyperv.broken.clear()
    copies(protected)[1].state = "FailedOverWaitingCompletion"
    assert cancel(protected).state == JobState.SUCCEEDED
    item, (source, target) = protected.item(), copies(protected)
    assert (item.state, item.active_location) == ("Protected", "Primary")
    assert (source.state, source.vm_state) == ("Replicating", "Running")
    assert (target.state, target.vm_state) == ("Replicating", "Off")


@pytest.mark.spec("FO-5")
def test_reversing_after_an_unplanned_failover_compares_and_finalizes_in_two_jobs(
    protected: World,
) -> None:
    fail_over(protected)
    job = reverse(protected)
    assert job.state == JobState.SUCCEEDED
    assert [task["name"] for task in job.tasks] == [
        "VmReverseReplicationPrerequisitesCheck",
        "VmCommit",
        "VmShutdownVmOnSecondary",
        "VmPrepareForReverseReplication",
        "VmInitiateReverseReplication",
        "VmStartInitialReplication",
        "UpdateDraState",
    ]
    item, (source, target) = protected.item(), copies(protected)
    assert item.state == ProtectionState.INITIAL_REPLICATION
    assert (source.mode, source.vm_state) == ("Replica", "Off")
    assert (target.mode, target.vm_state) == ("Primary", "Running")
    effects = protected.hyperv.effects
    assert effects.index(f"replica.made {item.primary_host}") < effects.index(
        f"replication.reversed {item.recovery_host}"
    )
    protected.hyperv.finish_copy(item.vm_id)
    protected.report()
    protected.turn()
    scenarios = list(Job.objects.order_by("created_at").values_list("scenario", flat=True))
    assert scenarios[-2:] == ["PrimaryIrCompletion", "SecondaryIrCompletion"]
    item = protected.item()
    assert (item.state, item.active_location, item.failover_type) == ("Protected", "Recovery", "")
    # And home again: planned, commit, reverse.
    assert planned(protected).state == JobState.SUCCEEDED
    assert commit(protected).state == JobState.SUCCEEDED
    assert reverse(protected).state == JobState.SUCCEEDED
    item = protected.item()
    assert (item.state, item.active_location) == ("Protected", "Primary")


@pytest.mark.spec("FO-6")
def test_a_job_that_only_waits_never_holds_a_failover_up(protected: World) -> None:
    with transaction.atomic():
        pausing = pause_replication(protected.item(), ORIGIN, protected.now)
    protected.turn()
    pausing.refresh_from_db()
    assert pausing.finished_at is None
    copies(protected)[0].state = "Replicating"
    assert planned(protected).state == JobState.SUCCEEDED
    pausing.refresh_from_db()
    assert pausing.state == JobState.CANCELLED


@pytest.mark.spec("FO-6")
def test_a_job_whose_site_is_away_never_holds_a_failover_up(protected: World) -> None:
    lose(protected)
    with transaction.atomic():
        pausing = pause_replication(protected.item(), ORIGIN, protected.now)
    protected.turn()
    assert fail_over(protected).state == JobState.SUCCEEDED
    pausing.refresh_from_db()
    assert pausing.state == JobState.CANCELLED


@pytest.mark.spec("FO-6")
def test_a_job_that_does_something_refuses_a_failover_at_once(protected: World) -> None:
    with transaction.atomic():
        pause_replication(protected.item(), ORIGIN, protected.now)
    protected.work()
    error = refusal(lambda: fail_over(protected))
    assert (error.failure.code, error.status) == ("532", 409)
    assert "Pause replication" in error.failure.message


def begun_until(world: World, begin: Callable[[], Job], step: str) -> Job:
    """A job whose step is at its provider, unanswered."""
    with transaction.atomic():
        job = begin()
    provider = world.shanghai
    for _ in range(50):
        world.work()
        if job.steps.get(key=step).state == "InProgress":
            provider.fetch()
            return job
        for each in (world.shanghai, world.beijing):
            for command in each.fetch():
                each.answer(command, world.now, world.hyperv.answer)
    raise AssertionError(f"{step} never began")


@pytest.mark.spec("FO-2", "FO-4", "JB-2")
def test_a_cancelled_job_brings_the_source_back_and_says_so(protected: World) -> None:
    job = begun_until(
        protected,
        lambda: recovery.planned_failover(protected.item(), None, ORIGIN, protected.now),
        "prepare",
    )
    assert copies(protected)[0].vm_state == "Off"
    with transaction.atomic():
        cancel_job(job.id, "tests", protected.now)
    [command] = [each for each in protected.shanghai.received if each.step_key == "prepare"]
    protected.shanghai.answer(command, protected.now, protected.hyperv.answer)
    protected.turn()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert "brought back" in job.left_text
    item, (source, target) = protected.item(), copies(protected)
    assert (item.state, item.active_location, item.role_epoch) == ("Protected", "Primary", 1)
    assert (source.state, source.vm_state) == ("Replicating", "Running")
    assert (target.state, target.vm_state) == ("Replicating", "Off")


@pytest.mark.spec("FO-2", "FO-4")
def test_a_source_that_does_not_come_back_leaves_a_failover_to_finish_or_to_cancel(
    protected: World,
) -> None:
    protected.hyperv.broken |= {
        verb: broken() for verb in ("prepare_failover", "start_virtual_machine")
    }
    job = planned(protected)
    assert job.state == JobState.FAILED
    assert "may be off" in job.left_text
    assert protected.item().state == ProtectionState.PLANNED_FAILOVER_FAILED
    protected.hyperv.broken.clear()
    assert cancel(protected).state == JobState.SUCCEEDED
    item, (source, _) = protected.item(), copies(protected)
    assert (item.state, item.active_location) == ("Protected", "Primary")
    assert (source.state, source.vm_state) == ("Replicating", "Running")


@pytest.mark.spec("FO-4", "JB-2")
def test_past_no_return_a_failover_cannot_be_cancelled_as_a_job(protected: World) -> None:
    lose(protected)
    with transaction.atomic():
        job = recovery.unplanned_failover(protected.item(), ALONE, ORIGIN, protected.now)
    while job.steps.get(key="failover/start").state != "InProgress":
        assert protected.work()
        if job.steps.get(key="failover/start").state == "InProgress":
            break
        for command in protected.beijing.fetch():
            protected.beijing.answer(command, protected.now, protected.hyperv.answer)
    error = refusal(lambda: cancel_job(job.id, "tests", protected.now))
    assert error.failure.code == "CancelNotPossible"
    protected.turn()
    assert protected.item().state == ProtectionState.UNPLANNED_COMMIT_PENDING
