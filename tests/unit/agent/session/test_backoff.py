"""Waiting longer each time, never longer than allowed, never all at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.session.backoff import Backoff


def test_the_wait_doubles_from_a_fifth_of_a_second_to_ten() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [round(backoff.next_seconds(), 3) for _ in range(8)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    backoff.reset()
    assert backoff.next_seconds() == 0.2


@given(st.floats(0, 1), st.integers(0, 5000))
def test_jitter_stays_between_half_and_whole(random: float, attempts: int) -> None:
    backoff = Backoff(lambda: random)
    for _ in range(min(attempts, 50)):
        backoff.next_seconds()
    backoff._attempts = attempts
    wait = backoff.next_seconds()
    step = min(10.0, 0.2 * 2.0 ** min(attempts, 32))
    assert step / 2 <= wait <= step
