"""The id that a request, and all it causes, is found by in logs."""

from __future__ import annotations

from uuid import UUID

import pytest

from coordinator.jobs.models import Job
from tests.integration.api.programs import Program
from tests.integration.api.sites import Sites

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]

HEADER = "x-ms-correlation-request-id"


@pytest.mark.parametrize("given", ["7c7b4a0e-9a51-4a0d-8f6f-0c2d4b5e6f70", "nightly.drill:42"])
def test_the_clients_id_is_kept_in_the_answer_the_job_and_the_log(
    program: Program, sites: Sites, given: str
) -> None:
    provider = sites.shanghai.providers.get()
    path = (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationRecoveryServicesProviders/{provider.name}/refreshProvider"
    )
    begun = program.send("POST", path, headers={HEADER: given})
    assert begun.status_code == 202, begun.text
    assert begun.headers[HEADER] == given
    job = Job.objects.get()
    assert job.correlation_id == given
    shown = program.send("GET", f"{program.vault_path}/replicationJobs/{job.id}").json()
    assert shown["properties"]["correlationId"] == given
    log = (program.server.state / "api.log").read_text("utf-8").splitlines()
    told = {line.split("event=")[1].split()[0] for line in log if f"correlation_id={given}" in line}
    assert {"job.begun", "request.answered"} <= told


@pytest.mark.parametrize("given", [None, "two words", "x" * 65, 'quote"', "-"])
def test_a_request_without_a_usable_id_gets_one(
    program: Program, sites: Sites, given: str | None
) -> None:
    headers = {} if given is None else {HEADER: given}
    answer = program.send("GET", f"{program.vault_path}/replicationJobs", headers=headers)
    assert answer.headers[HEADER] == answer.headers["x-ms-request-id"]
    UUID(answer.headers[HEADER])
