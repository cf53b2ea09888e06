from __future__ import annotations

from itertools import product

import pytest

from deploy.lab.site.errors import HyperVError
from deploy.lab.site.replication_model import ReplicationMode, ReplicationState
from deploy.lab.site.replication_states import TRANSITIONS, Event, next_state

EVERYTHING = list(product(ReplicationMode, ReplicationState, Event))


@pytest.mark.parametrize(("mode", "state", "event"), sorted(TRANSITIONS))
def test_each_pair_in_the_table_leads_where_it_says(
    mode: ReplicationMode, state: ReplicationState, event: Event
) -> None:
    after_mode, after_state = next_state(mode, state, event)
    assert (after_mode, after_state) == TRANSITIONS[mode, state, event]
    assert (after_mode, after_state) != (mode, state) or event is Event.RESYNC_STARTED


def test_every_pair_not_in_the_table_is_refused() -> None:
    refused = [each for each in EVERYTHING if each not in TRANSITIONS]
    assert len(refused) + len(TRANSITIONS) == len(EVERYTHING)
    for mode, state, event in refused:
        with pytest.raises(HyperVError) as caught:
            next_state(mode, state, event)
        assert caught.value.error_id == "InvalidState"
        assert caught.value.category == "InvalidOperation"


def test_every_state_can_be_reached_from_disabled() -> None:
    reached = {(ReplicationMode.NONE, ReplicationState.DISABLED)}
    grew = True
    while grew:
        grew = False
        for (mode, state, _), after in TRANSITIONS.items():
            if (mode, state) in reached and after not in reached:
                reached.add(after)
                grew = True
    assert {state for _, state in reached} == set(ReplicationState)


def test_only_a_failed_over_replica_becomes_primary() -> None:
    sources = {
        state
        for (mode, state, _), (after, _) in TRANSITIONS.items()
        if mode is ReplicationMode.REPLICA and after is ReplicationMode.PRIMARY
    }
    assert sources == {
        ReplicationState.FAILED_OVER_WAITING_COMPLETION,
        ReplicationState.FAILED_OVER,
    }
