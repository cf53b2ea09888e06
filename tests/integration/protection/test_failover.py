"""What is refused, what a failure leaves behind, and how the next request takes it up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from django.db import transaction

from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.states import JobState
from coordinator.protection.models import PairedHost, ProtectedItem
from coordinator.protection.operations import Operation, allowed_operations
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.services import disable_protection
from coordinator.protection.states import ActiveLocation, FailoverDirection, ProtectionState
from coordinator.recovery import services as recovery
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

OPERATIONS: dict[Operation, Callable[[World, RequestOrigin], Job]] = {
    Operation.PLANNED_FAILOVER: lambda world, origin: recovery.planned_failover(
        world.item(), None, origin, world.now
    ),
    Operation.COMMIT: lambda world, origin: recovery.commit_failover(
        world.item(), origin, world.now
    ),
    Operation.REVERSE_REPLICATE: lambda world, origin: recovery.reverse_replicate(
        world.item(), origin, world.now
    ),
    Operation.DISABLE_PROTECTION: lambda world, origin: disable_protection(
        world.item(), origin, world.now
    ),
}


@pytest.fixture
def protected(world: World) -> World:
    world.protect()
    return world


def begin(world: World, operation: Operation, origin: RequestOrigin = ORIGIN) -> Job:
    with transaction.atomic():
        return OPERATIONS[operation](world, origin)


def run(world: World, operation: Operation) -> Job:
    job = begin(world, operation)
    world.turn()
    job.refresh_from_db()
    return job


def run_with(world: World, operation: Operation, broken_verb: str) -> Job:
    """Runs while a verb fails, and mends it afterwards."""
    world.hyperv.broken[broken_verb] = broken()
    job = run(world, operation)
    world.hyperv.broken.clear()
    assert job.state == JobState.FAILED
    assert not OperationLock.objects.exists()
    return job


@pytest.mark.spec("FO-6")
def test_an_operation_that_the_state_forbids_says_why_and_what_would_allow_it(
    protected: World,
) -> None:
    for state, operation in itertools.product(ProtectionState, OPERATIONS):
        if operation in allowed_operations(state):
            continue
        ProtectedItem.objects.update(state=state)
        error = refusal(partial(begin, protected, operation))
        assert (error.failure.code, error.status) == ("OperationNotAllowed", 409)
        assert state.value in error.failure.message
    assert not Job.objects.filter(finished_at=None).exists()


@pytest.mark.spec("FO-6")
def test_a_second_operation_on_a_busy_item_is_refused_at_once_naming_the_job(
    protected: World,
) -> None:
    job = begin(protected, Operation.PLANNED_FAILOVER)
    for operation in OPERATIONS:
        error = refusal(partial(begin, protected, operation))
        assert (error.failure.code, error.status) == ("532", 409)
        assert "Planned failover" in error.failure.message
        assert str(job.id) in error.failure.message


def test_a_repeated_request_finds_its_job_also_when_the_state_has_moved_on(
    protected: World,
) -> None:
    origin = replace(ORIGIN, client_request_id="one")
    job = begin(protected, Operation.PLANNED_FAILOVER, origin)
    assert begin(protected, Operation.PLANNED_FAILOVER, origin) == job
    protected.turn()
    assert begin(protected, Operation.PLANNED_FAILOVER, origin) == job
    assert Job.objects.filter(scenario="PlannedFailover").count() == 1


@pytest.mark.spec("FO-2")
def test_a_failover_goes_away_from_the_side_the_machine_runs_on(protected: World) -> None:
    error = refusal(
        lambda: recovery.planned_failover(
            protected.item(), FailoverDirection.RECOVERY_TO_PRIMARY, ORIGIN, protected.now
        )
    )
    assert error.failure.code == "FailoverDirectionNotPossible"
    assert error.field == "failoverDirection"


@pytest.mark.parametrize("verb", ["read_replication", "stop_virtual_machine", "prepare_failover"])
@pytest.mark.spec("FO-2")
def test_a_planned_failover_that_stops_early_leaves_the_item_protected(
    protected: World, verb: str
) -> None:
    run_with(protected, Operation.PLANNED_FAILOVER, verb)
    item = protected.item()
    assert (item.state, item.active_location, item.role_epoch) == ("Protected", "Primary", 1)
    assert run(protected, Operation.PLANNED_FAILOVER).state == JobState.SUCCEEDED
    assert protected.item().role_epoch == 2


def test_sides_out_of_step_stop_a_planned_failover_before_the_machine_is_shut_down(
    protected: World,
) -> None:
    item = protected.item()
    protected.hyperv.copies[item.primary_host, item.vm_id].state = "Suspended"
    job = run(protected, Operation.PLANNED_FAILOVER)
    assert [error["code"] for error in job.errors] == ["ReplicationNotReady"]
    assert protected.hyperv.copies[item.primary_host, item.vm_id].vm_state == "Running"


@pytest.mark.spec("FO-2")
def test_a_planned_failover_that_fails_past_no_return_is_taken_up_where_it_stopped(
    protected: World,
) -> None:
    run_with(protected, Operation.PLANNED_FAILOVER, "start_failover")
    item = protected.item()
    assert (item.state, item.active_location) == ("PlannedFailoverFailed", "Primary")
    # The answer was lost, not the effect.
    protected.hyperv.copies[item.recovery_host, item.vm_id].state = "FailedOverWaitingCompletion"
    run_with(protected, Operation.PLANNED_FAILOVER, "read_replication")
    assert protected.item().state == "PlannedFailoverFailed"
    assert run(protected, Operation.PLANNED_FAILOVER).state == JobState.SUCCEEDED
    item = protected.item()
    assert (item.active_location, item.role_epoch) == (ActiveLocation.RECOVERY, 2)
    assert protected.hyperv.effects.count(f"vm.off {item.primary_host}") == 1


@pytest.mark.spec("FO-7")
def test_a_replica_that_does_not_start_is_failed_over_all_the_same(protected: World) -> None:
    run_with(protected, Operation.PLANNED_FAILOVER, "start_virtual_machine")
    item = protected.item()
    assert item.state == ProtectionState.COMMIT_PENDING
    assert (item.active_location, item.role_epoch) == (ActiveLocation.RECOVERY, 2)


@pytest.mark.spec("FO-4")
def test_a_commit_that_fails_is_still_pending(protected: World) -> None:
    run(protected, Operation.PLANNED_FAILOVER)
    run_with(protected, Operation.COMMIT, "complete_failover")
    assert protected.item().state == ProtectionState.COMMIT_PENDING
    assert run(protected, Operation.COMMIT).state == JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("read_host_replication", ProtectionState.COMMIT_PENDING),
        ("complete_failover", ProtectionState.COMMIT_PENDING),
        ("test_replication_connection", ProtectionState.REVERSING_FAILED),
        ("reverse_replication", ProtectionState.REVERSING_FAILED),
    ],
)
@pytest.mark.spec("FO-5")
def test_a_reversal_that_fails_says_whether_the_failover_is_committed_and_can_be_repeated(
    protected: World, verb: str, state: ProtectionState
) -> None:
    run(protected, Operation.PLANNED_FAILOVER)
    run_with(protected, Operation.REVERSE_REPLICATE, verb)
    assert protected.item().state == state
    assert run(protected, Operation.REVERSE_REPLICATE).state == JobState.SUCCEEDED
    item = protected.item()
    assert (item.state, item.active_location) == ("Protected", "Recovery")
    assert protected.hyperv.effects.count(f"failover.completed {item.recovery_host}") == 1


@pytest.mark.spec("FO-5")
def test_a_refresh_that_fails_leaves_the_item_protected_with_information(
    protected: World,
) -> None:
    run(protected, Operation.PLANNED_FAILOVER)
    protected.hyperv.broken["refresh_host"] = broken()
    job = run(protected, Operation.REVERSE_REPLICATE)
    assert (job.state, job.state_description) == ("Succeeded", "CompletedWithInformation")
    assert protected.item().state == ProtectionState.PROTECTED


def test_a_receiver_that_was_changed_by_hand_stops_a_reversal(protected: World) -> None:
    run(protected, Operation.PLANNED_FAILOVER)
    protected.hyperv.servers[protected.item().primary_host].port = 443
    job = run(protected, Operation.REVERSE_REPLICATE)
    assert [error["code"] for error in job.errors] == ["HostNotConfiguredForReplication"]


def test_a_host_that_no_pairing_configured_is_named(protected: World) -> None:
    item = protected.item()
    PairedHost.objects.filter(host__name=item.recovery_host).delete()
    error = refusal(lambda: begin(protected, Operation.PLANNED_FAILOVER))
    assert error.failure.code == "HostNotPaired"
    assert item.recovery_host in error.failure.message
    assert protected.item().state == ProtectionState.PROTECTED
