"""Taking the results that have come for a family, all that wait at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from coordinator.jobs.run import Run
from coordinator.jobs.statements import fetch
from coordinator.jobs.states import StepState
from coordinator.jobs.verbs import CommandFailure, read_result

TAKE = """
WITH taken AS (
    UPDATE jobs_command SET taken_at = %s
    WHERE root_id = %s AND state = 'finished' AND taken_at IS NULL
    RETURNING sequence, step_id, verb, result
)
SELECT step.job_id, step.id, step.key, taken.verb, taken.result
FROM taken JOIN jobs_step AS step ON step.id = taken.step_id
ORDER BY taken.sequence
"""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command: the step it is of, and the wire's CommandResult, serialized."""

    job_id: UUID
    step_id: int
    step_key: str
    verb: str
    body: bytes


def take_results(root_id: UUID, now: datetime) -> list[Result]:
    """All results that wait for the jobs of a family, in the order of their commands."""
    return [
        Result(job_id, step_id, key, verb, bytes(body or b""))
        for job_id, step_id, key, verb, body in fetch(TAKE, [now, root_id])
    ]


def end_steps(run: Run, results: Collection[Result]) -> None:
    """Makes steps of a job end out of the results of their commands."""
    for result in results:
        step = run.rows[result.step_key]
        if step.state is not StepState.IN_PROGRESS:
            continue
        outcome = read_result(result.verb, result.body)
        if isinstance(outcome, CommandFailure):
            run.fail(step, outcome.failure, transient=outcome.transient)
        else:
            run.succeed(step, outcome)
