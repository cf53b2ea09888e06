"""Reading tests: of a machine, of jobs."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from coordinator.jobs.models import Job
from coordinator.recovery.models import Drill

HISTORY_LENGTH = 20


def drills_of_item(item_id: UUID) -> QuerySet[Drill]:
    """Tests of a machine, newest first."""
    return Drill.objects.filter(item_id=item_id).order_by("-started_at", "id")


def open_drills(item_ids: Collection[UUID]) -> dict[UUID, Drill]:
    """By item the test that has not been cleaned up."""
    rows = Drill.objects.filter(item_id__in=item_ids, ended_at=None)
    return {row.item_id: row for row in rows if row.item_id is not None}


def drills_of_job(job_id: UUID) -> list[Drill]:
    """The tests that a job is about: one machine's, or those of a plan's run, by machine."""
    jobs = [job_id, *Job.objects.filter(root_id=job_id).values_list("id", flat=True)]
    return list(
        Drill.objects.filter(job_id__in=jobs)
        .select_related("item__pairing")
        .order_by("item_name", "id")
    )
