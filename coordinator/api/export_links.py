"""Where the file of an exporting job is, for those who read the job."""

from __future__ import annotations

from coordinator.api.calls import Call
from coordinator.api.download_tokens import sas_token
from coordinator.api.shapes.job_exports import FILE_NAMES, Output
from coordinator.api.shapes.job_types import JobResource
from coordinator.jobs.queries import JobView, find_export


def with_file(call: Call, job: JobView, shown: JobResource) -> JobResource:
    """A job's resource; of one that exported jobs, with the address of the file and a new token."""
    export = find_export(call.vault.id, job.id)
    if export is not None:
        properties = shown["properties"]
        name = FILE_NAMES[Output(export.output)]
        properties["customDetails"] = {
            "instanceType": "ExportJobDetails",
            "affectedObjectDetails": properties["customDetails"]["affectedObjectDetails"],
            "blobUri": call.request.build_absolute_uri(f"/exports/{job.id}/{name}"),
            "sasToken": sas_token(call.vault.id, job.id),
        }
    return shown
