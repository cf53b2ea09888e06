"""Runs of a plan, had go on as a person would: restarted, resumed, repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from azure.core.exceptions import HttpResponseError

from coordinator.config.waiting import WaitTimeoutError, wait_for
from deploy.lab.control.operator import ENDED, JobFailedError, error_text
from deploy.story.story import TO_RECOVERY
from tests.chaos.plan_judge import PlanVerdict
from tests.chaos.plan_lab import PlanOperator

JOB_LIMIT_SECONDS = 900.0
# How often a person would have one run go on before asking somebody.
TRIES = 5
# Codes of refusals because somebody was faster: ourselves, by a request whose answer was lost.
OVERTAKEN = frozenset({"ResumeNotPossible", "RestartNotPossible"})


class PlanRuns:
    """Runs the plan of a lab.

    Args:
        operator: Who does it.
        verdict: Counts what had to be done.
        mend: Does what failures ask for before a run goes on.
        tell: Hears of what failed.

    Attributes:
        asked: Runs and restarts that have the plan's script in them; each may run it once.
    """

    def __init__(
        self,
        operator: PlanOperator,
        verdict: PlanVerdict,
        mend: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._operator = operator
        self._verdict = verdict
        self._mend = mend
        self._tell = tell
        self.asked = 0

    def until(
        self,
        verb: str,
        properties: Mapping[str, str],
        done: Callable[[], bool],
        *,
        rests: float = 30.0,
    ) -> None:
        """Runs the plan again and again until its machines are there.

        Args:
            verb: See `PlanOperator.run_plan`.
            properties: See there.
            done: Whether they are.
            rests: How long they may take when the job has ended, seconds.

        Raises:
            JobFailedError: They never came there.
        """
        for _ in range(TRIES):
            if self.once(verb, properties, done, rests=rests):
                return
            self._verdict.jobs_restarted += 1
        raise JobFailedError(f"{verb}: {TRIES} runs did not bring every machine there")

    def once(
        self,
        verb: str,
        properties: Mapping[str, str],
        done: Callable[[], bool],
        *,
        rests: float = 30.0,
    ) -> bool:
        """Runs the plan, restarts of it included; whether its machines are there."""
        has_script = properties.get("failoverDirection") == TO_RECOVERY
        self.asked += has_script
        job = self._operator.when_free(lambda: self._operator.run_plan(verb, properties))
        state = self._end(job, has_script=has_script)
        try:
            wait_for(f"{verb} of every machine", done, rests)
        except WaitTimeoutError:
            states = self._states()
            self._tell(f"{verb} ended {state} (job {job}), machines are {states}: run again")
            self._mend()
            return False
        return True

    def _end(self, job: str, *, has_script: bool) -> str:
        """Follows a job to its end; one that waits is resumed, one that can go on restarted."""
        for _ in range(TRIES):
            state = wait_for(f"job {job}", partial(self._ended, job), JOB_LIMIT_SECONDS)
            seen = self._operator.job(job)
            if state == "Succeeded":
                return state
            texts = "; ".join(error_text(error) for error in seen.errors or [])
            self._tell(f"{seen.friendly_name} {state}: {texts}")
            self._mend()
            if "Restart" not in (seen.allowed_actions or []):
                return state
            self._verdict.jobs_restarted += 1
            self.asked += has_script
            self._unless_overtaken(partial(self._operator.restart, job))
        raise JobFailedError(f"job {job} failed {TRIES} times")

    def _ended(self, job: str) -> str | None:
        seen = self._operator.job(job)
        if seen.state == "Suspended" and "Resume" in (seen.allowed_actions or []):
            self._verdict.jobs_resumed += 1
            self._unless_overtaken(partial(self._operator.resume, job))
        return str(seen.state) if seen.state in ENDED else None

    def _unless_overtaken(self, begin: Callable[[], None]) -> None:
        try:
            self._operator.when_free(begin)
        except HttpResponseError as problem:
            if problem.error is None or problem.error.code not in OVERTAKEN:
                raise

    def _states(self) -> Mapping[str, Sequence[object]]:
        return {
            name: (item.protection_state, item.test_failover_state)
            for name, item in self._operator.protected().items()
        }
