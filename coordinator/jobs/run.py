"""A job in memory while the engine advances it: its steps, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import structlog

from coordinator.failures import Failure
from coordinator.jobs.command_rows import NewCommand
from coordinator.jobs.decisions import Situation, StepSnapshot, next_attempt_at
from coordinator.jobs.models import Job, Step
from coordinator.jobs.registry import Registry
from coordinator.jobs.states import Halt, StepState
from coordinator.jobs.step_rows import StepRow, read_whole
from coordinator.jobs.steps import FailureRule, StepKind
from coordinator.jobs.urgency import work_seconds

log = structlog.get_logger(__name__)

# A command that may wait for its provider is looked at so often.
PATIENT_LOOK_SECONDS = 60
# The provider counts a command's time from its journal, and its own word about a command that
# took too long is better than ours: it gets so much longer to say it.
ANSWER_SECONDS = 15


# The event and what is said of it.
Line: TypeAlias = tuple[str, Mapping[str, object]]


@dataclass
class Advance:
    """What all jobs of a family share while they are advanced.

    Attributes:
        registry: The functions behind the graph's names.
        clock: Gives the time.
        now: When the advance began.
        new_id: Gives random ids.
        commands: To be written at the end.
        changed: Steps to be written at the end, by id.
        seconds_done: What of the children's work has ended well meanwhile.
        light: No function of a domain is called: what needs one is held for a worker.
        lines: Of the log, to be written once all of this is committed.
    """

    registry: Registry
    clock: Callable[[], datetime]
    now: datetime
    new_id: Callable[[], UUID]
    commands: list[NewCommand] = field(default_factory=list)
    changed: dict[int, StepRow] = field(default_factory=dict)
    seconds_done: float = 0.0
    light: bool = False
    lines: list[Line] = field(default_factory=list)


def write_lines(lines: Iterable[Line]) -> None:
    """Logs what an advance has done, after the commit: before, none of it was so."""
    for event, facts in lines:
        log.info(event, **facts)


@dataclass
class Run:
    """One advance of one job; lives as long as the transaction that holds its family's root.

    Attributes:
        shared: What it shares with the other jobs of its family.
        job: Its row.
        rows: All its steps by key, in the graph's order.
        snapshots: The same, as deciding wants them.
        looks: When conditions are to be looked at again, by the key of their step.
        looked: Keys of WAIT steps that have been looked at.
        withdrawn: Keys of commands that it was tried to take back.
        held: Something is to be done that a light advance does not do.
    """

    shared: Advance
    job: Job
    rows: dict[str, StepRow]
    snapshots: dict[str, StepSnapshot]
    looks: dict[str, datetime] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    held: bool = False

    @property
    def now(self) -> datetime:
        return self.shared.now

    @property
    def root_id(self) -> UUID:
        return self.job.root_id or self.job.id

    @property
    def situation(self) -> Situation:
        """How the job stands now, beside its steps."""
        gates: frozenset[str] | None = None
        if self.job.root_id is not None and "" not in self.job.gates:
            gates = frozenset(self.job.gates)
        return Situation(gates, Halt(self.job.halt), self.job.children_left)

    def load(self, keys: Collection[str]) -> None:
        """Sees that the inputs and results of these steps are there."""
        read_whole([self.rows[key] for key in keys if key in self.rows])

    def begin(self, step: StepRow) -> None:
        """Its next attempt begins."""
        limit: int | None = step.time_limit_seconds
        if step.kind is StepKind.GROUP:
            limit = None
        elif step.kind is StepKind.MANUAL:
            limit = step.time_limit_seconds or None
        elif step.patience_seconds:
            limit = PATIENT_LOOK_SECONDS
        elif step.kind is StepKind.COMMAND:
            limit = step.time_limit_seconds + ANSWER_SECONDS
        step.state = StepState.IN_PROGRESS
        step.attempts += 1
        step.retry_at = None
        step.deadline_at = None if limit is None else self.now + timedelta(seconds=limit)
        step.started_at = step.started_at or self.now
        self.note(step)
        self._log(step, "step.begun", attempt=step.attempts)

    def succeed(self, step: StepRow, result: Mapping[str, object]) -> None:
        """It ends well, with its result as JSON."""
        step.result_json = json.dumps(result)
        step.failure_json = None
        self._end(step, StepState.SUCCEEDED)

    def fail(self, step: StepRow, failure: Failure, *, transient: bool = False) -> None:
        """Its attempt failed: it is tried again later if that may help, else the step ends."""
        step.failure_json = json.dumps(failure.as_json())
        again = next_attempt_at(self.snapshots[step.key], self.now) if transient else None
        if again is None:
            self._end_badly(step)
            return
        step.retry_at = again
        step.deadline_at = None
        self.note(step)
        self._log(step, "step.attempt_failed", code=failure.code, retry_at=again.isoformat())

    def put_off(self, step: StepRow, until: datetime | None) -> None:
        """Its time is not over yet: it has not run, or nothing ends when it is over."""
        step.deadline_at = until
        self.note(step)

    def tell(self, step: StepRow, activity: str) -> None:
        """Says what it waits for; nobody else does of a step without a command on its way."""
        if step.activity != activity:
            step.activity = activity[:255]
            Step.objects.filter(id=step.id).update(activity=step.activity)

    def drop(self, step: StepRow) -> None:
        """It waits for another attempt that will not come."""
        self._end_badly(step)

    def skip(self, step: StepRow) -> None:
        step.state = StepState.SKIPPED
        self.note(step)

    def cancel(self, step: StepRow) -> None:
        """It ends because its job does; nothing of it is on its way."""
        if step.state is StepState.IN_PROGRESS:
            self._end(step, StepState.CANCELLED)
            return
        step.state = StepState.CANCELLED
        self.note(step)

    def note(self, step: StepRow) -> None:
        """The step has changed."""
        self.shared.changed[step.id] = step
        self.snapshots[step.key] = step.snapshot()

    def add_error(self, error: Mapping[str, object], step: StepRow | None, at: datetime) -> None:
        """Puts a failure on the job's list."""
        where = {
            "task": step.task if step else "",
            "step": step.key if step else "",
            "at": at.isoformat(),
        }
        self.job.errors.append({**error, **where})

    def _end_badly(self, step: StepRow) -> None:
        warn = step.on_failure is FailureRule.WARN
        ended_at = self._end(step, StepState.WARNED if warn else StepState.FAILED)
        self.add_error(step.failure, step, ended_at)

    def _end(self, step: StepRow, state: StepState) -> datetime:
        step.state = state
        step.retry_at = None
        step.deadline_at = None
        step.finished_at = ended_at = self.shared.clock()
        self.note(step)
        if self.job.root_id is not None and state in {StepState.SUCCEEDED, StepState.WARNED}:
            self.shared.seconds_done += work_seconds(step.kind, step.expected_seconds, step.undoes)
        seconds = (ended_at - (step.started_at or ended_at)).total_seconds()
        code = step.failure.get("code")
        self._log(step, "step.ended", state=state.value, seconds=seconds, code=code)
        return ended_at

    def _log(self, step: StepRow, event: str, **facts: object) -> None:
        facts["provider_id"] = None if step.provider_id is None else str(step.provider_id)
        named = {
            "vault_id": str(self.job.vault_id),
            "job_id": str(self.job.id),
            "correlation_id": self.job.correlation_id,
            "step_key": step.key,
            "action": step.action,
        }
        known = {name: fact for name, fact in facts.items() if fact is not None}
        self.shared.lines.append((event, {**named, **known}))


def open_run(shared: Advance, job: Job, steps: Collection[StepRow]) -> Run:
    """The job with all its steps."""
    return Run(
        shared=shared,
        job=job,
        rows={step.key: step for step in steps},
        snapshots={step.key: step.snapshot() for step in steps},
    )
