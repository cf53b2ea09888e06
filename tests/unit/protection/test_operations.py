from __future__ import annotations

import itertools

import pytest

from coordinator.protection.operations import (
    ALLOWED,
    Operation,
    allowed_operations,
    why_not,
)
from coordinator.protection.states import ProtectionState

PENDING = [
    "Commit",
    "ChangePit",
    "CancelFailover",
    "ReverseReplicate",
    "DisableProtection",
    "AbandonFailover",
]
EXPECTED = {
    ProtectionState.ENABLING_FAILED: ["DisableProtection"],
    ProtectionState.READY_TO_COPY: ["StartInitialReplication", "DisableProtection"],
    ProtectionState.INITIAL_REPLICATION: ["DisableProtection"],
    ProtectionState.INITIAL_REPLICATION_COMPLETED: ["DisableProtection"],
    ProtectionState.PROTECTED: [
        "PlannedFailover",
        "UnplannedFailover",
        "TestFailover",
        "DisableProtection",
    ],
    ProtectionState.PLANNED_FAILOVER_FAILED: [
        "PlannedFailover",
        "UnplannedFailover",
        "CancelFailover",
    ],
    ProtectionState.UNPLANNED_FAILOVER_FAILED: ["UnplannedFailover", "CancelFailover"],
    ProtectionState.COMMIT_PENDING: PENDING,
    ProtectionState.UNPLANNED_COMMIT_PENDING: PENDING,
    ProtectionState.CHANGING_POINT_FAILED: ["ChangePit", "CancelFailover", "AbandonFailover"],
    ProtectionState.CANCELLING_FAILED: ["ChangePit", "CancelFailover", "AbandonFailover"],
    ProtectionState.FAILOVER_ABANDONED: ["UnplannedFailover", "CancelFailover"],
    ProtectionState.COMMITTED: ["ReverseReplicate", "DisableProtection"],
    ProtectionState.REVERSING_FAILED: ["ReverseReplicate", "DisableProtection"],
    ProtectionState.DISABLING_FAILED: ["DisableProtection"],
}
# A state that is not there allows nothing: something is in progress.
IN_PROGRESS = set(ProtectionState) - EXPECTED.keys()


@pytest.mark.parametrize("state", list(ProtectionState))
@pytest.mark.spec("FO-6")
def test_a_state_allows_what_the_table_says(state: ProtectionState) -> None:
    assert list(allowed_operations(state)) == EXPECTED.get(state, [])


@pytest.mark.spec("FO-6")
def test_nothing_is_allowed_only_while_something_is_in_progress() -> None:
    assert {
        "UnprotectedStatesBegin",
        "PlannedFailoverInitiated",
        "PlannedFailoverCompleting",
        "UnplannedFailoverInitiated",
        "UnplannedFailoverCompleting",
        "ChangePitInProgress",
        "CancelFailoverStatesBegin",
        "CommitFailoverStatesBegin",
        "ReprotectInitiated",
        "DisableProtectionInitiated",
    } == IN_PROGRESS


@pytest.mark.parametrize("state", list(ProtectionState))
@pytest.mark.spec("FO-1", "FO-6")
def test_a_test_virtual_machine_bars_failovers_until_it_is_cleaned_up(
    state: ProtectionState,
) -> None:
    allowed = allowed_operations(state, testing=True)
    assert "TestFailoverCleanup" in allowed
    assert not {"PlannedFailover", "UnplannedFailover", "TestFailover"} & set(allowed)
    answer = why_not(Operation.UNPLANNED_FAILOVER, state, testing=True)
    assert answer is not None
    assert "Clean up" in answer.remedy


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
