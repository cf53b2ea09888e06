"""Routes of jobs."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from pydantic import Field

from coordinator.api.addresses import JobActionPath, JobPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, client_request_id, open_vault, served
from coordinator.api.errors import ACTIVITY_ID
from coordinator.api.export_links import with_file
from coordinator.api.filters import parse_filter
from coordinator.api.job_filters import FILTERS, read_filters
from coordinator.api.long_operations import find_job, job_answer, operation_result
from coordinator.api.openapi.parameters import filters, in_query, taking
from coordinator.api.paging import page
from coordinator.api.paths import JOB, VAULT
from coordinator.api.responses import ACTED, lists, results, shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.job_types import JobResource, PolledJobResource
from coordinator.api.shapes.jobs import job_id, job_resource
from coordinator.jobs.models import Job
from coordinator.jobs.queries import EXPORT_SCENARIO, JobView, list_jobs
from coordinator.jobs.services import Confirmation, cancel_job, restart_job, resume_job
from coordinator.recovery.steps import RESTARTERS

router = Router()

LONGEST_COMMENT = 1024
LONGEST_TASK_ID = 128
CHILD_TASKS = in_query(
    "childTasks", '"none" leaves out the members of its groups, of which there may be many.'
)


@router.get(
    f"{VAULT}/replicationJobs", response=lists(JobResource), openapi_extra=taking(filters(FILTERS))
)
@served
def list_all(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Jobs, newest first."""
    call = open_vault(request, path)
    wanted = read_filters(parse_filter(request.GET.get("$filter", ""), FILTERS))
    return page(
        request,
        lambda start, end: list_jobs(
            call.vault.id, replace(wanted, offset=start, limit=end - start)
        ),
        lambda job: job_resource(call.ids, job, RESTARTERS),
    )


@router.get(JOB, response=shows(PolledJobResource), openapi_extra=taking(CHILD_TASKS))
@served
def get_job(request: HttpRequest, path: Path[JobPath]) -> Answer:
    """A job; "childTasks=none" leaves out the members of its groups, of which there may be many."""
    call = open_vault(request, path)
    with_members = request.GET.get("childTasks") != "none"
    job = find_job(call, path.job_name, with_members=with_members)
    return job_answer(call, job, _resource(call, job))


class ResumeProperties(RequestPart):
    comments: Annotated[str, Field(max_length=LONGEST_COMMENT)] | None = None
    # Beyond ASR: which of the job's manual actions is meant.
    taskId: (  # noqa: N815 - the API's name
        Annotated[str, Field(max_length=LONGEST_TASK_ID)] | None
    ) = None


class ResumeInput(RequestPart):
    properties: ResumeProperties = ResumeProperties()


@router.post(f"{JOB}/cancel", response=ACTED)
@served
def cancel(request: HttpRequest, path: Path[JobPath]) -> Answer:
    """Has a job end early; it ends once what runs has ended and what had begun is taken back."""
    call = open_vault(request, path)
    return _acted(call, cancel_job(_id_of(call, path), call.caller.name, call.now))


@router.post(f"{JOB}/restart", response=ACTED)
@served
def restart(request: HttpRequest, path: Path[JobPath]) -> Answer:
    """Has a failed job go on where it failed."""
    call = open_vault(request, path)
    job = restart_job(_id_of(call, path), call.caller.name, call.now, RESTARTERS)
    return _acted(call, job)


@router.post(f"{JOB}/resume", response=ACTED)
@served
def resume(request: HttpRequest, path: Path[JobPath], body: ResumeInput) -> Answer:
    """Ends the manual action a job waits for, with a note."""
    call = open_vault(request, path)
    confirmation = Confirmation(
        by=call.caller.name,
        comments=body.properties.comments or "",
        task=body.properties.taskId or "",
        request_id=client_request_id(request),
    )
    return _acted(call, resume_job(_id_of(call, path), confirmation, call.now))


@router.get(
    f"{JOB}/operationresults/{{action_name}}", response=results(JobResource, or_nothing=False)
)
@served
def get_action_result(request: HttpRequest, path: Path[JobActionPath]) -> Answer:
    """The job after an action on it, which is over at once; of an export, once that has ended."""
    call = open_vault(request, path)
    job = find_job(call, path.job_name)
    if job.scenario == EXPORT_SCENARIO:
        return operation_result(
            call, job_id(call.ids, str(job.id)), str(job.id), _resource(call, job)
        )
    return _resource(call, job)


def _resource(call: Call, job: JobView) -> Resource:
    shown = job_resource(call.ids, job, RESTARTERS)
    return with_file(call, job, shown) if job.scenario == EXPORT_SCENARIO else shown


def _id_of(call: Call, path: JobPath) -> UUID:
    return find_job(call, path.job_name).id


def _acted(call: Call, job: Job) -> Answer:
    """202, and where the job is: waiting for the action is not waiting for the job."""
    path = job_id(call.ids, str(job.id))
    response = HttpResponse(status=HTTPStatus.ACCEPTED)
    # An empty body has no type; with one, clients try to read it.
    del response["Content-Type"]
    response["Location"] = call.absolute(f"{path}/operationresults/{job.id}")
    response["Retry-After"] = "0"
    response[ACTIVITY_ID] = path
    return response
