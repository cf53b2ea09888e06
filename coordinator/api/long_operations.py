"""Operations that go on after the answer: how a client learns how they end."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Path, Router

from coordinator.api.addresses import JobPath, read_uuid
from coordinator.api.api_versions import status_in_job
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import ACTIVITY_ID, NotFoundError
from coordinator.api.paths import VAULT
from coordinator.api.responses import shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.job_types import OperationStatus
from coordinator.api.shapes.jobs import job_id, operation_error, operation_status
from coordinator.jobs import queries as jobs
from coordinator.jobs.models import Job
from coordinator.jobs.queries import JobView
from coordinator.jobs.states import JobState

router = Router()

# How long a client waits until it asks again; the first time it asks at once.
RETRY_AFTER_SECONDS = 1


def accepted(call: Call, resource_id: str, job: Job) -> HttpResponse:
    """The answer to a request whose work a job does: 202, where to ask, and no body.

    Args:
        call: The request.
        resource_id: ARM id of what the operation is about.
        job: The job; it may have ended already when the request is a repeated one.
    """
    name = str(job.id)
    status = call.ids.child("/replicationOperationStatus/{name}", name=name)
    if status_in_job(call.api_version):
        status = job_id(call.ids, name)
    return _ask_again(
        call, f"{resource_id}/operationresults/{job.id}", str(job.id), status_path=status
    )


@router.get(f"{VAULT}/replicationOperationStatus/{{job_name}}", response=shows(OperationStatus))
@served
def get_operation_status(request: HttpRequest, path: Path[JobPath]) -> Answer:
    """The status document of an operation."""
    call = open_vault(request, path)
    job = find_job(call, path.job_name)
    response = JsonResponse(operation_status(call.ids, job))
    if not job.state.ended:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def job_answer(call: Call, job: JobView, resource: Resource) -> Answer:
    """A job's own resource; clients of old versions poll it, and find the status in it."""
    if not status_in_job(call.api_version):
        return resource
    status: Mapping[str, object] = operation_status(call.ids, job)
    words = ("status", "startTime", "endTime", "error")
    response = JsonResponse(
        {**resource, **{word: status[word] for word in words if word in status}}
    )
    if not job.state.ended:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def operation_result(
    call: Call, resource_id: str, job_name: str, resource: Resource | None
) -> Answer:
    """What is at an operation's Location.

    Args:
        call: The request.
        resource_id: ARM id the operation is about.
        job_name: The operation.
        resource: The resource as it is now; None when it is gone.

    Returns:
        202 while it runs, the resource (or 204) when it succeeded, an error when it did not.
    """
    job = find_job(call, job_name)
    if not job.state.ended:
        return _ask_again(call, f"{resource_id}/operationresults/{job.id}", str(job.id))
    if job.state is not JobState.SUCCEEDED:
        return JsonResponse({"error": operation_error(job)}, status=HTTPStatus.CONFLICT)
    if resource is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return resource


def find_job(call: Call, name: str, *, with_members: bool = False) -> JobView:
    """The vault's job of that name.

    Args:
        call: The request.
        name: The job's.
        with_members: With the members of its groups.

    Raises:
        NotFoundError: There is none.
    """
    found = read_uuid(name)
    job = None if found is None else jobs.find_job(call.vault.id, found, with_members=with_members)
    if job is None:
        raise NotFoundError(job_id(call.ids, name))
    return job


def _ask_again(
    call: Call, result_path: str, job_name: str, status_path: str | None = None
) -> HttpResponse:
    response = HttpResponse(status=HTTPStatus.ACCEPTED)
    # An empty body has no type; with one, clients try to read it.
    del response["Content-Type"]
    response["Location"] = call.absolute(result_path)
    if status_path is not None:
        response["Azure-AsyncOperation"] = call.absolute(status_path)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response[ACTIVITY_ID] = job_id(call.ids, job_name)
    return response
