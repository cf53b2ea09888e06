"""Jobs of a family as the engine reads and writes them: many at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from coordinator.jobs.models import Job
from coordinator.jobs.states import UNFINISHED_JOBS

UNFINISHED = [state.value for state in UNFINISHED_JOBS]

LOCK = "SELECT * FROM jobs_job WHERE id = %s AND root_id IS NULL FOR NO KEY UPDATE"
# Two steps, so that each is a look into an index: those that are due, and those asked for.
DUE = """
SELECT job.* FROM (
    SELECT id FROM jobs_job WHERE root_id = %s AND wake_at <= %s
    UNION SELECT unnest(%s::uuid[])
) AS due JOIN jobs_job AS job ON job.id = due.id
WHERE job.root_id = %s AND job.state = ANY(%s::text[])
"""
UPDATE = """
UPDATE jobs_job AS job
SET state = new.state,
    state_description = new.state_description,
    started_at = new.started_at,
    finished_at = new.finished_at,
    wake_at = new.wake_at,
    asked_at = NULL,
    errors = new.errors::jsonb,
    gates = new.gates::jsonb,
    halt = new.halt,
    failure_told = new.failure_told,
    left_text = new.left_text,
    children_left = new.children_left,
    children_suspended = new.children_suspended,
    children_seconds_done = new.children_seconds_done
FROM unnest(
    %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
    %s::text[], %s::text[], %s::text[], %s::boolean[], %s::text[], %s::integer[], %s::integer[],
    %s::float8[]
) AS new (
    id, state, state_description, started_at, finished_at, wake_at, errors, gates, halt,
    failure_told, left_text, children_left, children_suspended, children_seconds_done
)
WHERE job.id = new.id
"""


def lock_root(job_id: UUID) -> Job | None:
    """The root of a job's family, locked until the transaction ends; None: there is no such job.

    A child's row is never locked before its root's.
    """
    for root in Job.objects.raw(LOCK, [job_id]):
        return root
    child = Job.objects.filter(id=job_id).only("root_id").first()
    if child is None or child.root_id is None:
        return None
    return next(iter(Job.objects.raw(LOCK, [child.root_id])), None)


def due_children(root_id: UUID, now: datetime, asked_for: Collection[UUID]) -> list[Job]:
    """Children that have not ended and whose time has come, or that are asked for."""
    parameters = [root_id, now, list(asked_for), root_id, UNFINISHED]
    return list(Job.objects.raw(DUE, parameters))


def write_jobs(jobs: Sequence[Job]) -> None:
    """Writes what the engine changed of these jobs."""
    columns: list[Any] = [
        [job.id for job in jobs],
        [str(job.state) for job in jobs],
        [job.state_description for job in jobs],
        [job.started_at for job in jobs],
        [job.finished_at for job in jobs],
        [job.wake_at for job in jobs],
        [json.dumps(job.errors) for job in jobs],
        [json.dumps(job.gates) for job in jobs],
        [str(job.halt) for job in jobs],
        [job.failure_told for job in jobs],
        [job.left_text for job in jobs],
        [job.children_left for job in jobs],
        [job.children_suspended for job in jobs],
        [job.children_seconds_done for job in jobs],
    ]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, columns)
