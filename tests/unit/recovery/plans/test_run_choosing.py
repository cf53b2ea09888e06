"""Who takes part in a run of a plan, which way it goes, and what is refused."""

from __future__ import annotations

import pytest

from coordinator.failures import RefusedError
from coordinator.protection.rules import Operation
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.runs.choosing import (
    Candidate,
    Choice,
    choose,
    direction_of_run,
)

pytestmark = [pytest.mark.spec("RP-1"), pytest.mark.spec("RP-5")]

THERE, BACK = FailoverDirection.PRIMARY_TO_RECOVERY, FailoverDirection.RECOVERY_TO_PRIMARY
FAILOVERS = (Operation.TEST_FAILOVER, Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER)
OTHERS = (
    Operation.TEST_FAILOVER_CLEANUP,
    Operation.COMMIT,
    Operation.REVERSE_REPLICATE,
    Operation.CANCEL_FAILOVER,
)


def machine(
    item_id: str,
    active: ActiveLocation = ActiveLocation.PRIMARY,
    why_not: str = "",
    *,
    unstarted: bool = False,
) -> Candidate:
    return Candidate(
        item_id=item_id,
        name=item_id.upper(),
        active=active,
        why_not=why_not,
        unstarted=unstarted,
    )


def over(item_id: str, why_not: str = "It waits.", *, unstarted: bool = False) -> Candidate:
    return machine(item_id, ActiveLocation.RECOVERY, why_not, unstarted=unstarted)


def chosen(
    operation: Operation, *machines: Candidate, way: FailoverDirection | None = None
) -> Choice:
    return choose("Shop", operation, direction_of_run("Shop", operation, way, machines), machines)


def refused(
    operation: Operation, *machines: Candidate, way: FailoverDirection | None = None
) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        chosen(operation, *machines, way=way)
    failure = error.value.failure
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    return error.value


@pytest.mark.parametrize("operation", FAILOVERS)
def test_without_a_direction_it_goes_the_only_way_there_is(operation: Operation) -> None:
    assert chosen(operation, machine("a"), machine("b")).direction is THERE
    assert chosen(operation, over("a", ""), over("b", "")).direction is BACK


@pytest.mark.parametrize("operation", FAILOVERS)
def test_with_machines_on_both_sides_somebody_has_to_say_which_way(operation: Operation) -> None:
    error = refused(operation, machine("a"), over("b", ""))
    assert (error.failure.code, error.status) == ("RecoveryPlanDirectionNeeded", 400)
    assert error.field == "failoverDirection"
    assert "A" in error.failure.possible_causes[0]
    choice = chosen(operation, machine("a"), over("b", ""), way=THERE)
    assert set(choice.skipped) == {"b"}
    assert set(chosen(operation, machine("a"), over("b", ""), way=BACK).skipped) == {"a"}


@pytest.mark.parametrize("operation", FAILOVERS)
def test_a_plan_that_is_over_already_cannot_go_that_way_again(operation: Operation) -> None:
    assert refused(operation, over("a"), way=THERE).failure.code == "FailoverDirectionNotPossible"


@pytest.mark.parametrize("operation", [*FAILOVERS, *OTHERS])
def test_an_empty_plan_does_nothing(operation: Operation) -> None:
    assert refused(operation).failure.code == "RecoveryPlanEmpty"


@pytest.mark.spec("FO-6")
@pytest.mark.parametrize("operation", [Operation.TEST_FAILOVER, Operation.PLANNED_FAILOVER])
def test_a_planned_run_and_a_test_want_every_machine_ready(operation: Operation) -> None:
    error = refused(operation, machine("a"), machine("b", why_not="It copies. Wait."))
    assert (error.failure.code, error.status) == ("RecoveryPlanMachinesNotReady", 409)
    assert error.failure.possible_causes == ("B: It copies. Wait.",)


def test_an_unplanned_run_goes_without_those_that_cannot() -> None:
    choice = chosen(Operation.UNPLANNED_FAILOVER, machine("a"), machine("b", why_not="No."))
    assert choice.skipped == {"b": "No."}
    error = refused(Operation.UNPLANNED_FAILOVER, machine("b", why_not="No."))
    assert error.failure.code == "RecoveryPlanMachinesNotReady"


@pytest.mark.parametrize("operation", OTHERS)
def test_other_operations_are_done_to_those_that_allow_them(operation: Operation) -> None:
    choice = chosen(operation, over("a", ""), machine("b", why_not="It is not over."))
    assert (choice.direction, choice.skipped) == (None, {"b": "It is not over."})
    error = refused(operation, machine("b", why_not="It is not over."))
    assert error.failure.code == "RecoveryPlanMachinesNotReady"


@pytest.mark.spec("RP-3")
@pytest.mark.parametrize("operation", [Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER])
def test_what_an_earlier_run_left_off_is_started_the_way_it_went(operation: Operation) -> None:
    choice = chosen(operation, over("a", unstarted=True), machine("b"), over("c"), way=THERE)
    assert choice.starts == {"a"}
    assert set(choice.skipped) == {"c"}
    only = chosen(operation, over("a", unstarted=True))
    assert (only.direction, only.starts) == (THERE, frozenset({"a"}))
    assert not only.skipped


def test_of_many_machines_that_are_not_ready_some_are_named() -> None:
    machines = [machine(f"m{number}", why_not="No.") for number in range(25)]
    error = refused(Operation.PLANNED_FAILOVER, *machines)
    assert "and 15 more" in error.failure.message
    assert len(error.failure.possible_causes) == 10
