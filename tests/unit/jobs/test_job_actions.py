"""The table of what may be done with a job."""

from __future__ import annotations

from itertools import product

import pytest

from coordinator.jobs.job_actions import CODES, JobAction, JobFacts, allowed_actions, why_not
from coordinator.jobs.states import JobState

pytestmark = pytest.mark.spec("JB-2")

FLAGS = ("halted", "past_return", "held_up", "asks", "restartable", "child")
ALL_FACTS = [
    JobFacts("Planned failover", "VM1", state, *flags)
    for state in JobState
    for flags in product([False, True], repeat=len(FLAGS))
]


def expected(action: JobAction, facts: JobFacts) -> bool:
    if action is JobAction.CANCEL:
        returns = not facts.past_return or facts.held_up
        return returns and not (facts.state.ended or facts.halted)
    if action is JobAction.RESTART:
        return facts.state is JobState.FAILED and facts.restartable and not facts.child
    return facts.asks and not facts.state.ended


@pytest.mark.parametrize("facts", ALL_FACTS, ids=str)
def test_each_action_is_allowed_or_says_why_not_and_what_would_allow_it(facts: JobFacts) -> None:
    for action in JobAction:
        why = why_not(action, facts)
        assert (why is None) == expected(action, facts)
        assert (action in allowed_actions(facts)) == (why is None)
        if why is not None:
            assert why.code == CODES[action]
            assert "VM1" in why.message
            assert why.possible_causes
            assert why.recommended_action
