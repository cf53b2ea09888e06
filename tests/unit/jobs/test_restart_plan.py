"""Which steps of a failed job are done again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.decisions import ENDED_WELL, StepSnapshot
from coordinator.jobs.restart_plan import plan_restart
from coordinator.jobs.states import StepState
from coordinator.jobs.steps import FailureRule, StepKind

pytestmark = pytest.mark.spec("JB-2")
S = StepState


def step(key: str, *after: str, state: StepState = S.SUCCEEDED, undoes: str = "") -> StepSnapshot:
    return StepSnapshot(
        key,
        StepKind.COMMAND,
        state,
        after,
        FailureRule.STOP,
        1,
        1,
        None,
        None,
        undoes=undoes,
        begun=state not in {S.SKIPPED, S.CANCELLED},
    )


def test_what_failed_was_skipped_or_cancelled_is_done_again() -> None:
    repeat = plan_restart(
        [
            step("a"),
            step("b", "a", state=S.FAILED),
            step("c", "b", state=S.SKIPPED),
            step("d", "a", state=S.CANCELLED),
            step("w", "a", state=S.WARNED),
        ]
    )
    assert repeat.again == {"b", "c", "d"}
    assert repeat.forgotten == set()
    assert repeat.after == {}


def test_what_was_taken_back_is_done_again_with_what_came_after_it() -> None:
    repeat = plan_restart(
        [
            step("check"),
            step("stop", "check"),
            step("sync", "stop"),
            step("move", "sync", state=S.FAILED),
            step("start-again", undoes="stop"),
            step("release", undoes="move", state=S.SKIPPED),
        ]
    )
    assert repeat.again == {"stop", "sync", "move", "start-again", "release"}
    assert repeat.forgotten == {"stop", "start-again", "release"}


def test_what_is_done_again_comes_after_all_that_is_done_again_before_it() -> None:
    steps = [
        step("group-3"),
        step("script", "group-3"),
        step("group-2", "script", state=S.FAILED),
    ]
    repeat = plan_restart(steps, also=["group-3"])
    assert repeat.again == {"group-3", "group-2"}
    assert repeat.after == {"group-2": ("script", "group-3")}


@given(st.data())
def test_the_order_holds_also_among_what_is_done_again(data: st.DataObject) -> None:
    steps: list[StepSnapshot] = []
    for number in range(data.draw(st.integers(1, 8))):
        names = [each.key for each in steps]
        after = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        states = st.sampled_from([S.SUCCEEDED, S.WARNED, S.FAILED, S.SKIPPED])
        steps.append(step(f"s{number}", *after, state=data.draw(states)))
    also = data.draw(st.lists(st.sampled_from([each.key for each in steps]), unique=True))
    repeat = plan_restart(steps, also)
    by_key = {each.key: each for each in steps}
    assert {k for k, each in by_key.items() if each.state not in ENDED_WELL} <= repeat.again
    assert repeat.again >= set(also)

    def before(key: str) -> set[str]:
        found: set[str] = set()
        for near in by_key[key].after:
            found |= {near} | before(near)
        return found

    for key in repeat.again:
        direct = set(repeat.after.get(key, by_key[key].after))
        assert before(key) & repeat.again <= direct <= before(key)
