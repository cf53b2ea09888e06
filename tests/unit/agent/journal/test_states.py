"""The whole table of a command's states, and nothing beside it."""

from __future__ import annotations

import itertools

import pytest

from agent.journal.states import (
    TRANSITIONS,
    UNFINISHED,
    CommandEvent,
    CommandState,
    IllegalTransitionError,
    next_state,
)

EXPECTED = {
    ("accepted", "start"): "started",
    ("accepted", "finish"): "finished",
    ("started", "start"): "started",
    ("started", "finish"): "finished",
    ("finished", "store"): "stored",
    ("stored", "store"): "stored",
}


@pytest.mark.parametrize(
    ("state", "event"),
    list(itertools.product(CommandState, CommandEvent)),
    ids=lambda each: each.value,
)
def test_each_pair_is_in_the_table_or_refused(state: CommandState, event: CommandEvent) -> None:
    expected = EXPECTED.get((state.value, event.value))
    if expected is None:
        with pytest.raises(IllegalTransitionError):
            next_state(state, event)
    else:
        assert next_state(state, event).value == expected


def test_unfinished_states_are_those_that_can_finish() -> None:
    assert set(UNFINISHED) == {CommandState.ACCEPTED, CommandState.STARTED}


def test_a_finished_command_never_starts_again() -> None:
    for state in (CommandState.FINISHED, CommandState.STORED):
        assert (state, CommandEvent.START) not in TRANSITIONS
