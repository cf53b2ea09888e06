from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.states import (
    TRANSITIONS,
    ActiveLocation,
    FailoverDirection,
    ItemEvent,
    ProtectionState,
    WrongTransitionError,
    next_state,
)

STATES = list(ProtectionState)
PAIRS = list(itertools.product(ProtectionState, ItemEvent))

STORY = [
    (ItemEvent.ENABLED, "InitialReplicationInProgress"),
    (ItemEvent.PRIMARY_FINALIZED, "InitialReplicationCompletedOnPrimary"),
    (ItemEvent.RECOVERY_FINALIZED, "Protected"),
    (ItemEvent.PLANNED_FAILOVER_BEGAN, "PlannedFailoverInitiated"),
    (ItemEvent.FAILOVER_BEGAN, "PlannedFailoverCompleting"),
    (ItemEvent.FAILED_OVER, "PlannedFailoverCommitPendingStatesBegin"),
    (ItemEvent.COMMIT_BEGAN, "CommitFailoverStatesBegin"),
    (ItemEvent.COMMITTED, "CommitFailoverCompleted"),
    (ItemEvent.REVERSING_BEGAN, "ReprotectInitiated"),
    (ItemEvent.REVERSED, "Protected"),
]


@pytest.mark.parametrize(("state", "event"), PAIRS)
@pytest.mark.spec("FO-6")
def test_every_pair_leads_on_by_the_table_or_is_an_error(
    state: ProtectionState, event: ItemEvent
) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(WrongTransitionError, match=event.value):
            next_state(state, event)


def test_the_story_of_a_planned_failover_and_back_ends_protected() -> None:
    state = ProtectionState.ENABLING
    for event, expected in STORY:
        state = next_state(state, event)
        assert state == expected


def test_a_failed_planned_failover_can_be_repeated_but_no_longer_counts_as_untouched() -> None:
    state = next_state(
        ProtectionState.PLANNED_FAILOVER_COMPLETING, ItemEvent.PLANNED_FAILOVER_FAILED
    )
    state = next_state(state, ItemEvent.PLANNED_FAILOVER_BEGAN)
    with pytest.raises(WrongTransitionError):
        next_state(state, ItemEvent.PLANNED_FAILOVER_STOPPED)
    assert next_state(state, ItemEvent.FAILED_OVER) is ProtectionState.COMMIT_PENDING


UNPLANNED = [
    (ItemEvent.UNPLANNED_FAILOVER_BEGAN, "UnplannedFailoverInitiated"),
    (ItemEvent.FAILOVER_BEGAN, "UnplannedFailoverCompleting"),
    (ItemEvent.UNPLANNED_FAILOVER_FAILED, "UnplannedFailoverFailed"),
    (ItemEvent.UNPLANNED_FAILOVER_BEGAN, "UnplannedFailoverCompleting"),
    (ItemEvent.FAILED_OVER, "UnplannedFailoverCommitPendingStatesBegin"),
    (ItemEvent.POINT_CHANGE_BEGAN, "ChangePitInProgress"),
    (ItemEvent.POINT_CHANGE_FAILED, "ChangePitFailed"),
    (ItemEvent.POINT_CHANGE_BEGAN, "ChangePitInProgress"),
    (ItemEvent.POINT_CHANGED, "UnplannedFailoverCommitPendingStatesBegin"),
    (ItemEvent.COMMIT_BEGAN, "CommitFailoverStatesBegin"),
    (ItemEvent.UNPLANNED_COMMIT_FAILED, "UnplannedFailoverCommitPendingStatesBegin"),
    (ItemEvent.COMMIT_BEGAN, "CommitFailoverStatesBegin"),
    (ItemEvent.COMMITTED, "CommitFailoverCompleted"),
    (ItemEvent.REVERSING_BEGAN, "ReprotectInitiated"),
    (ItemEvent.REVERSED_TO_COPY, "InitialReplicationInProgress"),
    (ItemEvent.PRIMARY_FINALIZED, "InitialReplicationCompletedOnPrimary"),
    (ItemEvent.RECOVERY_FINALIZED, "Protected"),
]


@pytest.mark.spec("FO-3", "FO-5")
def test_the_story_of_an_unplanned_failover_and_back_ends_protected() -> None:
    state = ProtectionState.PROTECTED
    for event, expected in UNPLANNED:
        state = next_state(state, event)
        assert state == expected


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize(
    "state",
    [
        ProtectionState.COMMIT_PENDING,
        ProtectionState.UNPLANNED_COMMIT_PENDING,
        ProtectionState.CHANGING_POINT_FAILED,
        ProtectionState.PLANNED_FAILOVER_FAILED,
        ProtectionState.UNPLANNED_FAILOVER_FAILED,
        ProtectionState.CANCELLING_FAILED,
        ProtectionState.FAILOVER_ABANDONED,
    ],
)
def test_a_cancelled_failover_leads_back_to_protected(state: ProtectionState) -> None:
    state = next_state(state, ItemEvent.CANCELLING_BEGAN)
    assert next_state(state, ItemEvent.FAILOVER_CANCELLED) is ProtectionState.PROTECTED


def test_every_state_is_described_and_can_be_reached() -> None:
    reached = {ProtectionState.ENABLING, *TRANSITIONS.values()}
    assert reached == set(ProtectionState)
    assert all(state.description for state in ProtectionState)


@given(st.lists(st.sampled_from(list(ItemEvent)), max_size=60))
def test_only_a_failover_leads_to_commit_pending_unless_a_commit_failed(
    events: list[ItemEvent],
) -> None:
    state = ProtectionState.ENABLING
    for event in events:
        try:
            after = next_state(state, event)
        except WrongTransitionError:
            continue
        if after is ProtectionState.COMMIT_PENDING:
            assert event in {
                ItemEvent.FAILED_OVER,
                ItemEvent.COMMIT_FAILED,
                ItemEvent.PLANNED_POINT_CHANGE_STOPPED,
                ItemEvent.PLANNED_CANCELLING_STOPPED,
            }
        state = after


def test_a_direction_leaves_its_source_and_the_other_side_is_the_other() -> None:
    assert FailoverDirection.PRIMARY_TO_RECOVERY.source is ActiveLocation.PRIMARY
    assert FailoverDirection.RECOVERY_TO_PRIMARY.source is ActiveLocation.RECOVERY
    assert [location.other for location in ActiveLocation] == [
        ActiveLocation.RECOVERY,
        ActiveLocation.PRIMARY,
    ]
