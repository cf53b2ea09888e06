"""Routes of exporting jobs, and of the files that come of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Path, Router, Schema
from pydantic import Field

from coordinator.api.addresses import VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, client_request_id, open_vault, served
from coordinator.api.download_tokens import vault_of_token
from coordinator.api.errors import NotFoundError, correlation_id
from coordinator.api.fabrics import require_fabric
from coordinator.api.job_filters import read_filters
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.bodies import words
from coordinator.api.openapi.parameters import in_query, sending, taking
from coordinator.api.paths import FABRIC, VAULT
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins
from coordinator.api.shapes.job_exports import CONTENT_TYPES, FILE_NAMES, Output, jobs_file
from coordinator.api.threads import database_threads
from coordinator.failures import refuse
from coordinator.jobs.queries import JobView, find_export, list_jobs
from coordinator.jobs.services import ExportRequest, begin_export

router = Router()

FILE = "/exports/{job_name}/{file_name}"
TOKEN = {**in_query("sig", "The token from the details of the export's job."), "required": True}
FILE_OF_EXPORT = {**taking(TOKEN), **sending(*CONTENT_TYPES.values())}
AT_ONCE = 500
# The clocks there are on Earth.
EARLIEST_MINUTES, LATEST_MINUTES = -12 * 60, 14 * 60
Word = Annotated[str, Field(max_length=255)]


class ExportInput(RequestPart):
    """Which jobs to export; what is left out or empty does not narrow."""

    startTime: Word | None = None  # noqa: N815 - the API's name
    endTime: Word | None = None  # noqa: N815 - the API's name
    fabricId: Annotated[str, Field(max_length=1024)] | None = None  # noqa: N815 - the API's name
    affectedObjectTypes: Word | None = None  # noqa: N815 - the API's name
    jobStatus: Word | None = None  # noqa: N815 - the API's name
    jobOutputType: Annotated[Word, words(*Output)] | None = None  # noqa: N815 - the API's name
    jobName: Word | None = None  # noqa: N815 - the API's name
    timezoneOffset: (  # noqa: N815 - the API's name
        Annotated[float, Field(ge=EARLIEST_MINUTES, le=LATEST_MINUTES)] | None
    ) = None


class FilePath(Schema):
    job_name: UUID
    file_name: str


@router.post(f"{VAULT}/replicationJobs/export", response=begins())
@served
def begin(request: HttpRequest, path: Path[VaultPath], body: ExportInput) -> Answer:
    """Exports jobs: begins the job whose details say where the file is."""
    call = open_vault(request, path)
    resource_id = call.ids.child("/replicationJobs/export")
    words = {
        name: str(value)
        for name, value in body.model_dump(exclude={"jobOutputType", "timezoneOffset"}).items()
        if value
    }
    if body.fabricId:
        words["fabricId"] = _fabric_id(call, body.fabricId)
    job = begin_export(
        call.vault.id,
        ExportRequest(
            filters=read_filters(words, "body"),
            words=words,
            output=_output(body.jobOutputType),
            offset_minutes=int(body.timezoneOffset or 0),
            started_by=call.caller.name,
            client_request_id=client_request_id(request),
            correlation_id=correlation_id(request),
            target_resource=resource_id,
        ),
        call.now,
    )
    return accepted(call, call.ids.child("/replicationJobs/{job}", job=str(job.id)), job)


@router.get(FILE, auth=None, response={200: None}, openapi_extra=FILE_OF_EXPORT)
async def get_file(request: HttpRequest, path: Path[FilePath]) -> HttpResponseBase:
    """The file of an export, for whoever has its token."""
    signature = request.GET.get("sig", "")
    return await database_threads.run(lambda: _file(path, signature))


def _file(path: FilePath, signature: str) -> HttpResponse:
    vault_id = vault_of_token(signature, path.job_name)
    if vault_id is None:
        raise refuse(
            "AuthenticationFailed",
            "The file cannot be read with this token.",
            causes=["The token is older than an hour.", "It was altered, or is another file's."],
            action="Read the export's job again: its details have a new token.",
            status=403,
            field="sig",
        )
    export = find_export(vault_id, path.job_name)
    if export is None or FILE_NAMES[Output(export.output)] != path.file_name:
        raise NotFoundError(f"/exports/{path.job_name}/{path.file_name}")
    wanted = read_filters(export.words, "body")
    before = min(wanted.created_before or export.asked_at, export.asked_at)
    jobs: list[JobView] = []
    while found := list_jobs(
        vault_id, replace(wanted, created_before=before, offset=len(jobs), limit=AT_ONCE)
    ):
        jobs += found
    output = Output(export.output)
    response = HttpResponse(
        jobs_file(output, jobs, export.offset_minutes), content_type=CONTENT_TYPES[output]
    )
    response["Content-Disposition"] = f'attachment; filename="{path.file_name}"'
    response["Cache-Control"] = "no-store"
    return response


def _fabric_id(call: Call, reference: str) -> str:
    names = names_in_reference(call, FABRIC, reference, "fabricId")
    fabric = require_fabric(call, names["fabric_name"])
    return call.ids.child(FABRIC, fabric_name=fabric.name)


def _output(word: str | None) -> Output:
    known = {output.lower(): output for output in Output}
    if not word:
        return Output.EXCEL
    if word.lower() in known:
        return known[word.lower()]
    raise refuse(
        "InvalidOutputType",
        f"The value '{word}' of jobOutputType is not allowed.",
        causes=[f"jobOutputType must be one of {', '.join(Output)}."],
        action="Use one of these, or leave it out for Excel.",
        field="jobOutputType",
    )
