from __future__ import annotations

import itertools

import pytest

from coordinator.protection.operations import (
    ALLOWED,
    CARRIED_OUT,
    Operation,
    allowed_operations,
    why_not,
)
from coordinator.protection.states import ProtectionState

EXPECTED = {
    ProtectionState.ENABLING_FAILED: ["DisableProtection"],
    ProtectionState.READY_TO_COPY: ["StartInitialReplication", "DisableProtection"],
    ProtectionState.INITIAL_REPLICATION: ["DisableProtection"],
    ProtectionState.INITIAL_REPLICATION_COMPLETED: ["DisableProtection"],
    ProtectionState.PROTECTED: ["PlannedFailover", "DisableProtection"],
    ProtectionState.PLANNED_FAILOVER_FAILED: ["PlannedFailover"],
    ProtectionState.COMMIT_PENDING: ["Commit", "ReverseReplicate", "DisableProtection"],
    ProtectionState.COMMITTED: ["ReverseReplicate", "DisableProtection"],
    ProtectionState.REVERSING_FAILED: ["ReverseReplicate", "DisableProtection"],
    ProtectionState.DISABLING_FAILED: ["DisableProtection"],
}


@pytest.mark.parametrize("state", list(ProtectionState))
@pytest.mark.spec("FO-6")
def test_a_state_allows_what_the_table_says_and_this_version_carries_out(
    state: ProtectionState,
) -> None:
    assert list(allowed_operations(state)) == EXPECTED.get(state, [])


@pytest.mark.spec("RE-2")
@pytest.mark.parametrize("operation", [Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER])
def test_before_protection_is_finalized_nothing_fails_over(operation: Operation) -> None:
    before = (
        ProtectionState.ENABLING,
        ProtectionState.ENABLING_FAILED,
        ProtectionState.READY_TO_COPY,
        ProtectionState.INITIAL_REPLICATION,
        ProtectionState.INITIAL_REPLICATION_COMPLETED,
    )
    assert [state for state in before if operation in ALLOWED.get(state, ())] == []
    assert operation in ALLOWED[ProtectionState.PROTECTED]


def test_asr_allows_these_operations_of_a_protected_item() -> None:
    assert ALLOWED[ProtectionState.PROTECTED] == (
        "PlannedFailover",
        "UnplannedFailover",
        "TestFailover",
        "DisableProtection",
    )


@pytest.mark.parametrize(
    ("operation", "state"), list(itertools.product(Operation, ProtectionState))
)
@pytest.mark.spec("FO-6")
def test_a_refused_operation_says_why_and_what_would_allow_it(
    operation: Operation, state: ProtectionState
) -> None:
    answer = why_not(operation, state)
    if operation in allowed_operations(state):
        assert answer is None
    else:
        assert answer is not None
        assert answer.reason.endswith(".")
        assert answer.remedy.endswith(".")


def test_an_operation_of_a_later_version_is_refused_as_such() -> None:
    answer = why_not(Operation.TEST_FAILOVER, ProtectionState.PROTECTED)
    assert Operation.TEST_FAILOVER not in CARRIED_OUT
    assert answer is not None
    assert "not offered" in answer.reason
