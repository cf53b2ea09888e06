"""Steps as the engine holds them: read and written many at once, past Django's models."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from coordinator.jobs.decisions import StepSnapshot
from coordinator.jobs.statements import fetch, run
from coordinator.jobs.states import StepState
from coordinator.jobs.steps import FailureRule, StepKind

# Of a longer job inputs and results are read only of the steps they are wanted of. Those of GROUP
# steps name every member.
SHORT_JOB_STEPS = 30

COLUMNS = """
    id, job_id, key, task, kind, action, provider_id, after, on_failure, time_limit_seconds,
    attempts_allowed, patience_seconds, point_of_no_return, gate, slot, expected_seconds, urgency,
    undoes, members_left, state, attempts, retry_at, deadline_at, started_at, finished_at, activity
"""
READ = f"""
SELECT {COLUMNS}, whole,
    CASE WHEN whole THEN inputs END, CASE WHEN whole THEN result END, failure
FROM (
    SELECT *, count(*) OVER (PARTITION BY job_id) <= {SHORT_JOB_STEPS} AND kind <> 'group' AS whole
    FROM jobs_step WHERE job_id = ANY(%s::uuid[])
) AS step
ORDER BY job_id, position
"""  # noqa: S608 - put together from the constants above
READ_WHOLE = "SELECT id, inputs, result FROM jobs_step WHERE id = ANY(%s::bigint[])"

# Columns that only the engine writes; percentage and activity belong to the gateway.
# One statement for any number of steps: Django's bulk_update builds a CASE for each column and row,
# which was a third of the time of an advance.
UPDATE = """
UPDATE jobs_step AS step
SET state = new.state,
    attempts = new.attempts,
    retry_at = new.retry_at,
    deadline_at = new.deadline_at,
    started_at = new.started_at,
    finished_at = new.finished_at,
    result = coalesce(new.result::jsonb, step.result),
    failure = new.failure::jsonb,
    members_left = new.members_left
FROM unnest(
    %s::bigint[], %s::text[], %s::integer[], %s::timestamptz[], %s::timestamptz[],
    %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::integer[]
) AS new (
    id, state, attempts, retry_at, deadline_at, started_at, finished_at, result, failure,
    members_left
)
WHERE step.id = new.id
"""


@dataclass(slots=True)
class StepRow:
    """A step and what became of it; the engine's own, changeable.

    Attributes:
        whole: Inputs and result have been read.
        inputs_json: Read when somebody wants them.
    """

    id: int
    job_id: UUID
    key: str
    task: str
    kind: StepKind
    action: str
    provider_id: UUID | None
    after: tuple[str, ...]
    on_failure: FailureRule
    time_limit_seconds: int
    attempts_allowed: int
    patience_seconds: int
    point_of_no_return: bool
    gate: str
    slot: str
    expected_seconds: float
    urgency: float
    undoes: str
    members_left: int
    state: StepState
    attempts: int
    retry_at: datetime | None
    deadline_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    activity: str
    whole: bool
    inputs_json: str | None
    result_json: str | None
    failure_json: str | None

    @property
    def inputs(self) -> Mapping[str, object]:
        return _object(self.inputs_json)

    @property
    def result(self) -> Mapping[str, object]:
        """What it gave; empty when it gave nothing."""
        return _object(self.result_json)

    @property
    def failure(self) -> Mapping[str, object]:
        """Its last failure as `Failure.as_json` wrote it; empty when there is none."""
        return _object(self.failure_json)

    def snapshot(self) -> StepSnapshot:
        return StepSnapshot(
            self.key,
            self.kind,
            self.state,
            self.after,
            self.on_failure,
            self.attempts,
            self.attempts_allowed,
            self.retry_at,
            self.deadline_at,
            self.gate,
            self.undoes,
            self.started_at is not None,
            self.point_of_no_return,
            self.members_left,
        )


KINDS = {kind.value: kind for kind in StepKind}
STATES = {state.value: state for state in StepState}
RULES = {rule.value: rule for rule in FailureRule}


def read_steps(job_ids: Collection[UUID]) -> Mapping[UUID, list[StepRow]]:
    """The steps of these jobs in the order of their graphs, in one query."""
    return steps_in(fetch(READ, [list(job_ids)]), job_ids)


def steps_in(
    rows: Iterable[tuple[Any, ...]], job_ids: Collection[UUID]
) -> Mapping[UUID, list[StepRow]]:
    """The steps of these jobs in what `READ` gave."""
    found: dict[UUID, list[StepRow]] = {job_id: [] for job_id in job_ids}
    for columns in rows:
        row = StepRow(*columns)
        row.kind = KINDS[row.kind]
        row.state = STATES[row.state]
        row.on_failure = RULES[row.on_failure]
        row.after = tuple(json.loads(cast("str", row.after)))
        found[row.job_id].append(row)
    return found


def read_whole(rows: Collection[StepRow]) -> None:
    """Fetches the inputs and results of those that were read without them, in one query."""
    missing = {row.id: row for row in rows if not row.whole}
    if not missing:
        return
    for step_id, inputs, result in fetch(READ_WHOLE, [list(missing)]):
        row = missing[step_id]
        row.inputs_json = inputs
        # What has ended since it was read has its result here and is not written yet.
        row.result_json = result if row.result_json is None else row.result_json
        row.whole = True


def write_steps(steps: Sequence[StepRow]) -> None:
    """Writes what the engine changed of these steps; a result that was not read stays."""
    run(UPDATE, columns(steps))


def columns(steps: Sequence[StepRow]) -> list[Any]:
    """What `UPDATE` takes."""
    return [
        [step.id for step in steps],
        [step.state.value for step in steps],
        [step.attempts for step in steps],
        [step.retry_at for step in steps],
        [step.deadline_at for step in steps],
        [step.started_at for step in steps],
        [step.finished_at for step in steps],
        [step.result_json for step in steps],
        [step.failure_json for step in steps],
        [step.members_left for step in steps],
    ]


def _object(stored: str | None) -> Mapping[str, object]:
    return {} if stored is None else cast("Mapping[str, object]", json.loads(stored))
