"""Beginning an export of jobs: itself a job, whose file is made of what it remembers (JB-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from coordinator.failures import refuse
from coordinator.jobs.beginning import BeginJob, begin_job, begun_job
from coordinator.jobs.models import Job
from coordinator.jobs.queries import EXPORT_SCENARIO, JobFilters, count_jobs
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import RecordCall, RecordFunction
from coordinator.jobs.steps import Graph, JobTarget, StepKind, StepSpec, TaskSpec

# ASR's word.
TARGET_TYPE = "Other"
FRIENDLY_NAME = "Export jobs"
TASK = "ExportJobsTask"
RECORD = "jobs.export_counted"
MOST_JOBS = 20_000


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Which jobs to export, and how.

    Attributes:
        filters: Which; those of later than the export are left out.
        words: The same as the request wrote it, to be read again when the file is asked for.
        output: What kind of file.
        offset_minutes: Of the clock that times in the file are written in, east of UTC.
    """

    filters: JobFilters
    words: Mapping[str, str]
    output: str
    offset_minutes: int
    started_by: str
    client_request_id: str
    target_resource: str
    correlation_id: str = ""


def begin_export(vault_id: UUID, request: ExportRequest, now: datetime) -> Job:
    """Begins the job ExportJobs.

    Raises:
        RefusedError: TooManyJobs: more than a file may have fit the request.

    Idempotent: By the client request id.

    Source: SPEC JB-1.
    """
    known = begun_job(vault_id, EXPORT_SCENARIO, "", request.client_request_id)
    if known is not None:
        return known
    count = count_jobs(vault_id, request.filters)
    if count > MOST_JOBS:
        raise refuse(
            "TooManyJobs",
            f"{count} jobs fit the request; a file has at most {MOST_JOBS}.",
            causes=["The time between startTime and endTime is long."],
            action="Ask for a shorter time, or for fewer kinds of jobs.",
            field="startTime",
        )
    step = StepSpec(
        key="count", task=TASK, kind=StepKind.RECORD, action=RECORD, inputs={"jobs": count}
    )
    return begin_job(
        BeginJob(
            vault_id=vault_id,
            scenario=EXPORT_SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget(TARGET_TYPE, "", "", request.target_resource),
            graph=Graph((TaskSpec(TASK, "Collecting the jobs"),), (step,)),
            queue=QueueName.INVENTORY,
            started_by=request.started_by,
            client_request_id=request.client_request_id,
            correlation_id=request.correlation_id,
            arguments={
                "filters": dict(request.words),
                "output": request.output,
                "offset_minutes": request.offset_minutes,
                "affected_objects": {"Jobs": str(count)},
            },
        ),
        now,
    )


def export_counted(call: RecordCall) -> Mapping[str, object]:
    """How many jobs there were was counted when the job began; the file is made when it is read."""
    return {"jobs": call.inputs["jobs"]}


RECORDS: Mapping[str, RecordFunction] = {RECORD: export_counted}
