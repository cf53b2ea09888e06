"""Failover without counting on the source, another point, back again, and what was lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.jobs.sweep import sweep
from coordinator.protection.models import RecoveryPoint
from coordinator.protection.states import FailoverDirection, ProtectionState
from coordinator.recovery import services as recovery
from coordinator.recovery.options import (
    ChangePointOptions,
    RecoveryTag,
    UnplannedFailoverOptions,
)
from tests.integration.protection.failover_stage import (
    ALONE,
    WITH_SOURCE,
    cancel,
    change_point,
    commit,
    copies,
    fail_over,
    lose,
    planned,
    ready,
    reverse,
)
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


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
def test_a_site_that_is_lost_while_nobody_knows_it_yet_holds_a_failover_up_for_seconds(
    protected: World,
) -> None:
    """The link was cut just before the request: the source's provider still counts as there."""
    protected.shanghai.lost = True
    beijing = Provider.objects.filter(name="vmm-beijing")
    beijing.update(connected_at=protected.now)
    begun = protected.now
    with transaction.atomic():
        job = recovery.unplanned_failover(protected.item(), WITH_SOURCE, ORIGIN, begun)
    while job.finished_at is None and (protected.now - begun).total_seconds() < 600:
        protected.turn()
        protected.pass_(2)
        beijing.update(last_heartbeat_at=protected.now)
        sweep(protected.now)
        job.refresh_from_db()
    assert (job.state, job.state_description) == ("Succeeded", "CompletedWithInformation")
    assert (protected.now - begun).total_seconds() < 45
    assert copies(protected)[1].vm_state == "Running"
    assert protected.item().state == ProtectionState.UNPLANNED_COMMIT_PENDING


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


@pytest.mark.spec("FO-3", "FO-4")
def test_a_source_lost_while_its_failover_is_cancelled_leaves_a_way_on(protected: World) -> None:
    planned(protected)
    protected.hyperv.broken["cancel_failover"] = broken()
    cancel(protected)
    assert protected.item().state == ProtectionState.CANCELLING_FAILED
    protected.hyperv.broken.clear()
    copies(protected)[1].vm_state = "Off"
    lose(protected)
    assert refusal(lambda: cancel(protected)).failure.code == "SourceNotConnected"
    assert change_point(protected, ChangePointOptions()).state == JobState.SUCCEEDED
    assert protected.item().state == ProtectionState.UNPLANNED_COMMIT_PENDING
    assert copies(protected)[1].vm_state == "Running"


@pytest.mark.spec("FO-3", "FO-4")
def test_a_source_lost_while_an_undecided_failover_is_cancelled_can_be_failed_over(
    protected: World,
) -> None:
    protected.hyperv.broken["start_failover"] = broken()
    planned(protected)
    protected.hyperv.broken = {"cancel_failover": broken()}
    assert "not certain" in cancel(protected).left_text
    assert protected.item().state == ProtectionState.UNPLANNED_FAILOVER_FAILED
    protected.hyperv.broken.clear()
    lose(protected)
    assert fail_over(protected).state == JobState.SUCCEEDED
    assert copies(protected)[1].vm_state == "Running"


@pytest.mark.spec("FO-4")
def test_a_machine_that_was_shut_down_for_a_site_that_is_lost_is_started_where_it_was(
    protected: World,
) -> None:
    """The recovery site dies in the middle of a planned failover: the machine must not stay off."""
    protected.hyperv.broken["start_failover"] = broken()
    planned(protected)
    assert copies(protected)[0].vm_state == "Off"
    protected.hyperv.broken.clear()
    lose(protected, "vmm-beijing")
    job = cancel(protected)
    source = copies(protected)[0]
    assert (source.vm_state, source.state) == ("Running", "Replicating")
    while job.finished_at is None:
        protected.pass_(60)
        protected.turn()
        job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "runs on the primary side again" in job.left_text
    assert protected.item().state == ProtectionState.UNPLANNED_FAILOVER_FAILED
    protected.beijing.lost = False
    Provider.objects.update(disconnected_at=None, last_heartbeat_at=protected.now)
    assert cancel(protected).state == JobState.SUCCEEDED
    assert protected.item().state == ProtectionState.PROTECTED
    assert copies(protected)[0].vm_state == "Running"


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
