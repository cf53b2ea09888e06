"""How many wrong secrets are too many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coordinator.access.guessing import LIMITS, LOCK, WINDOW, Guesses, Subject, counted

pytestmark = pytest.mark.spec("AC-2")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def guess(times: int, subject: Subject, every: timedelta = SECOND) -> Guesses:
    state = counted(None, subject, NOON)
    for number in range(1, times):
        state = counted(state, subject, NOON + number * every)
    return state


@pytest.mark.parametrize("subject", list(Subject))
def test_the_last_guess_of_the_limit_locks_for_a_while(subject: Subject) -> None:
    limit = LIMITS[subject]
    assert guess(limit - 1, subject).locked_until is None
    locked = guess(limit, subject)
    end = NOON + (limit - 1) * SECOND + LOCK
    assert locked.locked_until == end
    assert locked.locked_at(end - SECOND)
    assert not locked.locked_at(end)


def test_guesses_far_apart_lock_nothing() -> None:
    state = guess(50, Subject.ACCOUNT, every=WINDOW / 4)
    assert state.locked_until is None


def test_after_a_lock_the_count_begins_anew() -> None:
    state = counted(guess(10, Subject.ACCOUNT), Subject.ACCOUNT, NOON + 2 * LOCK)
    assert (state.count, state.locked_at(NOON + 2 * LOCK)) == (1, False)
