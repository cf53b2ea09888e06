"""Jobs of a family as the engine reads and writes them: many at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from coordinator.jobs.models import Job
from coordinator.jobs.statements import fetch, run
from coordinator.jobs.states import UNFINISHED_JOBS

UNFINISHED = [state.value for state in UNFINISHED_JOBS]

# What a light advance needs of a job; what else there is of it, arguments for example, is long.
JSON_COLUMNS = frozenset({"gates", "errors"})
WANTED = JSON_COLUMNS | {
    "id", "root_id", "vault_id", "scenario", "friendly_name", "child_key", "queue", "state",
    "state_description", "target_type", "target_id", "target_name", "halt", "left_text",
    "failure_told", "wake_at", "asked_at", "created_at", "started_at", "finished_at",
    "children_left", "children_suspended", "children_seconds", "children_seconds_done",
    "correlation_id",
}  # fmt: skip
# In the model's order, which `from_db` relies on.
COLUMNS = tuple(
    field.attname
    for field in Job._meta.concrete_fields  # noqa: SLF001 - Django's documented interface
    if field.attname in WANTED
)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM jobs_job"  # noqa: S608 - the constants above
LOCK = "SELECT * FROM jobs_job WHERE id = %s AND root_id IS NULL FOR NO KEY UPDATE"
LOCK_FREE = f"""
{SELECT} WHERE id = ANY(%s::uuid[]) AND root_id IS NULL
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""
# Two steps, so that each is a look into an index: those that are due, and those asked for.
DUE = """
SELECT job.* FROM (
    SELECT id FROM jobs_job WHERE root_id = %s AND wake_at <= %s
    UNION SELECT unnest(%s::uuid[])
) AS due JOIN jobs_job AS job ON job.id = due.id
WHERE job.root_id = %s AND job.state = ANY(%s::text[])
"""
JOBS = f"{SELECT} WHERE id = ANY(%s::uuid[])"
MEMBERS = f"{SELECT} WHERE root_id = %s AND child_key = ANY(%s::text[])"
WRITTEN_COLUMNS = 15
UPDATE = """
UPDATE jobs_job AS job
SET state = new.state,
    state_description = new.state_description,
    started_at = new.started_at,
    finished_at = new.finished_at,
    wake_at = new.wake_at,
    asked_at = new.asked_at,
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
    %s::float8[], %s::timestamptz[]
) AS new (
    id, state, state_description, started_at, finished_at, wake_at, errors, gates, halt,
    failure_told, left_text, children_left, children_suspended, children_seconds_done, asked_at
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


def lock_roots(job_ids: Collection[UUID]) -> list[Job]:
    """Those of these roots that nobody is advancing right now, locked."""
    if not job_ids:
        return []
    return [_job(row) for row in fetch(LOCK_FREE, [list(job_ids)])]


def _job(row: tuple[Any, ...]) -> Job:
    """A job of these columns; the others are read when they are asked for."""
    values = [
        json.loads(value) if name in JSON_COLUMNS else value
        for name, value in zip(COLUMNS, row, strict=True)
    ]
    return Job.from_db(connection.alias, COLUMNS, values)


def due_children(root_id: UUID, now: datetime, asked_for: Collection[UUID]) -> list[Job]:
    """Children that have not ended and whose time has come, or that are asked for."""
    parameters = [root_id, now, list(asked_for), root_id, UNFINISHED]
    return list(Job.objects.raw(DUE, parameters))


def jobs_of(job_ids: Collection[UUID]) -> list[Job]:
    """These jobs, without their tasks and arguments."""
    return jobs_in(fetch(JOBS, [list(job_ids)]))


def jobs_in(rows: Iterable[tuple[Any, ...]]) -> list[Job]:
    """The jobs in what `JOBS` gave."""
    return [_job(row) for row in rows]


def members_of(root_id: UUID, keys: Collection[str]) -> list[Job]:
    """The children of these keys, without their tasks and arguments."""
    return [_job(row) for row in fetch(MEMBERS, [root_id, list(keys)])]


def written_columns(job: Job) -> tuple[object, ...]:
    """What `write_jobs` writes of a job."""
    return (
        str(job.state),
        job.state_description,
        job.started_at,
        job.finished_at,
        job.wake_at,
        json.dumps(job.errors),
        json.dumps(job.gates),
        str(job.halt),
        job.failure_told,
        job.left_text,
        job.children_left,
        job.children_suspended,
        job.children_seconds_done,
        job.asked_at,
    )


def write_jobs(jobs: Sequence[Job]) -> None:
    """Writes what the engine changed of these jobs."""
    if jobs:
        run(UPDATE, columns(jobs))


def columns(jobs: Sequence[Job]) -> list[Any]:
    """What `UPDATE` takes."""
    if not jobs:
        return [[] for _ in range(WRITTEN_COLUMNS)]
    rows = zip(*(written_columns(job) for job in jobs), strict=True)
    return [[job.id for job in jobs], *(list(row) for row in rows)]
