"""A job in memory while the engine advances it: its steps, what changes, and writing that down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from coordinator.failures import Failure
from coordinator.jobs.decisions import StepSnapshot, next_attempt_at
from coordinator.jobs.models import Command, Job, Step
from coordinator.jobs.states import StepState
from coordinator.jobs.step_rows import write_steps
from coordinator.jobs.steps import FailureRule, StepKind

log = structlog.get_logger(__name__)

SHORT_JOB_STEPS = 30
# A command that may wait for its provider is looked at so often.
PATIENT_LOOK_SECONDS = 60
# The provider counts a command's time from its journal, and its own word about a command that
# took too long is better than ours: it gets so much longer to say it.
ANSWER_SECONDS = 15


@dataclass
class Run:
    """One advance of one job; lives as long as the transaction that holds the job's row.

    Attributes:
        job: Its row, locked.
        clock: Gives the time.
        now: When the advance began.
        new_id: Gives random ids.
        snapshots: All steps, in the graph's order.
        commands: To be written at the end.
        looks: When conditions are to be looked at again, by the key of their step.
    """

    job: Job
    clock: Callable[[], datetime]
    now: datetime
    new_id: Callable[[], UUID]
    snapshots: dict[str, StepSnapshot]
    commands: list[Command] = field(default_factory=list)
    looks: dict[str, datetime] = field(default_factory=dict)
    _rows: dict[str, Step] = field(default_factory=dict)
    _changed: dict[str, Step] = field(default_factory=dict)

    def row(self, key: str) -> Step:
        """The whole step; `load` first when several are wanted."""
        self.load([key])
        return self._rows[key]

    def load(self, keys: Collection[str]) -> None:
        """Reads the steps of these keys in one query, those not yet read.

        Of a short job all of them: more will be wanted, and a query costs more than a row.
        """
        missing = [key for key in keys if key not in self._rows]
        if missing and len(self.snapshots) <= SHORT_JOB_STEPS:
            missing = [key for key in self.snapshots if key not in self._rows]
        if missing:
            steps = Step.objects.filter(job_id=self.job.id, key__in=missing)
            self._rows.update({step.key: step for step in steps})

    def adopt(self, step: Step) -> Step:
        """The one object of that step in this run; takes this one if there is none yet."""
        return self._rows.setdefault(step.key, step)

    def begin(self, step: Step) -> None:
        """Its next attempt begins."""
        limit = step.time_limit_seconds
        if step.patience_seconds:
            limit = PATIENT_LOOK_SECONDS
        elif step.kind == StepKind.COMMAND:
            limit += ANSWER_SECONDS
        step.state = StepState.IN_PROGRESS
        step.attempts += 1
        step.retry_at = None
        step.deadline_at = self.now + timedelta(seconds=limit)
        step.started_at = step.started_at or self.now
        self._note(step)
        self._log(step, "step.begun", attempt=step.attempts)

    def succeed(self, step: Step, result: Mapping[str, object]) -> None:
        """It ends well, with its result as JSON."""
        step.result = dict(result)
        step.failure = None
        self._end(step, StepState.SUCCEEDED)

    def fail(self, step: Step, failure: Failure, *, transient: bool = False) -> None:
        """Its attempt failed: it is tried again later if that may help, else the step ends."""
        step.failure = failure.as_json()
        again = next_attempt_at(self.snapshots[step.key], self.now) if transient else None
        if again is None:
            self._end_badly(step)
            return
        step.retry_at = again
        step.deadline_at = None
        self._note(step)
        self._log(step, "step.attempt_failed", code=failure.code, retry_at=again.isoformat())

    def put_off(self, step: Step, until: datetime) -> None:
        """Its time is not over yet, because it does not run while the provider is away."""
        step.deadline_at = until
        self._note(step)

    def tell(self, step: Step, activity: str) -> None:
        """Says what it waits for; nobody else does of a step without a command on its way."""
        if step.activity != activity:
            step.activity = activity[:255]
            Step.objects.filter(id=step.id).update(activity=step.activity)

    def drop(self, step: Step) -> None:
        """It waits for another attempt that will not come."""
        self._end_badly(step)

    def skip(self, step: Step) -> None:
        step.state = StepState.SKIPPED
        self._note(step)

    def save(self) -> None:
        """Writes the changed steps and the new commands."""
        if self._changed:
            write_steps(list(self._changed.values()))
        if self.commands:
            Command.objects.bulk_create(self.commands)

    def _end_badly(self, step: Step) -> None:
        warn = step.on_failure == FailureRule.WARN
        ended_at = self._end(step, StepState.WARNED if warn else StepState.FAILED)
        where = {"task": step.task, "step": step.key, "at": ended_at.isoformat()}
        self.job.errors.append({**(step.failure or {}), **where})

    def _end(self, step: Step, state: StepState) -> datetime:
        step.state = state
        step.retry_at = None
        step.deadline_at = None
        step.finished_at = ended_at = self.clock()
        self._note(step)
        begun_at = step.started_at or ended_at
        code = step.failure["code"] if step.failure else None
        seconds = (ended_at - begun_at).total_seconds()
        self._log(step, "step.ended", state=str(state), seconds=seconds, code=code)
        return ended_at

    def _note(self, step: Step) -> None:
        self._changed[step.key] = step
        self.snapshots[step.key] = snapshot_of(step)

    def _log(self, step: Step, event: str, **facts: object) -> None:
        facts["provider_id"] = None if step.provider_id is None else str(step.provider_id)
        log.info(
            event,
            vault_id=str(self.job.vault_id),
            job_id=str(self.job.id),
            step_key=step.key,
            action=step.action,
            **{name: fact for name, fact in facts.items() if fact is not None},
        )


def open_run(
    job: Job, clock: Callable[[], datetime], now: datetime, new_id: Callable[[], UUID]
) -> Run:
    """Reads the states of the job's steps, and nothing else of them."""
    columns = (
        Step.objects.filter(job_id=job.id)
        .order_by("position")
        .values_list(
            "key",
            "kind",
            "state",
            "after",
            "on_failure",
            "attempts",
            "attempts_allowed",
            "retry_at",
            "deadline_at",
        )
    )
    snapshots = {
        key: StepSnapshot(
            key,
            StepKind(kind),
            StepState(state),
            tuple(after),
            FailureRule(on_failure),
            attempts,
            attempts_allowed,
            retry_at,
            deadline_at,
        )
        for (
            key,
            kind,
            state,
            after,
            on_failure,
            attempts,
            attempts_allowed,
            retry_at,
            deadline_at,
        ) in columns
    }
    return Run(job=job, clock=clock, now=now, new_id=new_id, snapshots=snapshots)


def snapshot_of(step: Step) -> StepSnapshot:
    return StepSnapshot(
        key=step.key,
        kind=StepKind(step.kind),
        state=StepState(step.state),
        after=tuple(step.after),
        on_failure=FailureRule(step.on_failure),
        attempts=step.attempts,
        attempts_allowed=step.attempts_allowed,
        retry_at=step.retry_at,
        deadline_at=step.deadline_at,
    )
