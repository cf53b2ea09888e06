"""Exporting jobs with Microsoft's client: the file, its kinds, and the token that opens it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.jobs.models import Job
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("JB-1", "AP-1")]

FAILURE = {
    "code": "Broken",
    "message": "It broke.",
    "possibleCauses": ["A cause."],
    "recommendedAction": "Mend it.",
    "task": "Cables",
}


def make_job(vault: Vault, name: str, *, hours_ago: int = 1, **more: Any) -> Job:
    began = timezone.now() - timedelta(hours=hours_ago)
    return Job.objects.create(
        vault=vault,
        scenario="PlannedFailover",
        friendly_name=name,
        target_type="ProtectionEntity",
        target_id=str(uuid4()),
        target_name="GoldVM1",
        started_by="tests",
        queue="failover",
        tasks=[{"name": "Cables", "friendly_name": "Plug in", "skipped_reason": ""}],
        created_at=began,
        started_at=began,
        finished_at=began + timedelta(seconds=90),
        **{"state": "Succeeded", **more},
    )


def export(program: Program, **wanted: Any) -> asr.ExportJobDetails:
    """Exports, and gives what the job says of the file."""
    job = program.site_recovery.replication_jobs.begin_export(
        *program.scope, asr.JobQueryParameter(**wanted)
    ).result()
    assert (job.properties.scenario_name, job.properties.state) == ("ExportJobs", "Succeeded")
    details = job.properties.custom_details
    assert isinstance(details, asr.ExportJobDetails)
    return details


def fetch(program: Program, address: str) -> requests.Response:
    """Reads a file as whoever has its address: without a token of the program."""
    return program.send_bare("GET", address.removeprefix(program.server.url), params={})


def file_of(program: Program, details: asr.ExportJobDetails) -> requests.Response:
    answer = fetch(program, f"{details.blob_uri}{details.sas_token}")
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["Content-Disposition"]
    return answer


def test_json_has_jobs_with_their_tasks_and_errors(
    program: Program, vault: Vault, engine: ScriptedEngine
) -> None:
    make_job(vault, "Planned failover", state="Failed", errors=[FAILURE])
    [row] = file_of(program, export(program, job_output_type="Json")).json()
    assert (row["operation"], row["state"], row["startedBy"]) == (
        "Planned failover",
        "Failed",
        "tests",
    )
    assert row["durationInSeconds"] == 90
    assert row["startTime"].endswith("+00:00")
    [error] = row["errors"]
    assert {error[part] for part in ("code", "message", "recommendedAction")} == {
        "Broken",
        "It broke.",
        "Mend it.",
    }
    assert error["possibleCauses"] == ["A cause."]
    assert row["tasks"][0]["friendlyName"] == "Plug in"


def test_csv_excel_and_xml_have_the_same_rows(
    program: Program, vault: Vault, engine: ScriptedEngine
) -> None:
    make_job(vault, "=cmd()|'x'!A1")
    make_job(vault, "Zweite <Übung>", hours_ago=2)
    names = ["=cmd()|'x'!A1", "Zweite <Übung>"]

    text = file_of(program, export(program, job_output_type="Csv")).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    # What a spreadsheet would carry out is text.
    assert [row["Operation"] for row in rows] == [f"'{names[0]}", names[1]]

    tree = ET.fromstring(file_of(program, export(program, job_output_type="Xml")).content)
    # The exports before are jobs too.
    told = [job.findtext("operation") for job in tree]
    assert [name for name in told if name != "Export jobs"] == names

    details = export(program)
    assert details.blob_uri is not None
    assert details.blob_uri.endswith("/jobs.xlsx")
    with zipfile.ZipFile(io.BytesIO(file_of(program, details).content)) as workbook:
        sheet = ET.fromstring(workbook.read("xl/worksheets/sheet1.xml"))
        for name in workbook.namelist():
            ET.fromstring(workbook.read(name))
    cells = [[cell.findtext(".//{*}t") for cell in row] for row in sheet.findall(".//{*}row")]
    assert [row[1] for row in cells if row[1] != "Export jobs"] == ["Operation", *names]


def test_filters_narrow_and_times_are_in_the_clock_that_is_asked_for(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    vault = sites.vault
    make_job(vault, "Old", hours_ago=50)
    make_job(vault, "Failed", state="Failed")
    make_job(vault, "Fine")
    begun = (timezone.now() - timedelta(hours=10)).isoformat()

    def names(**wanted: Any) -> list[str]:
        rows = file_of(program, export(program, job_output_type="json", **wanted)).json()
        return [row["operation"] for row in rows if row["scenarioName"] != "ExportJobs"]

    assert names(start_time=begun) == ["Fine", "Failed"]
    assert names(end_time=begun) == ["Old"]
    assert names(job_status="Failed") == ["Failed"]
    assert names(job_name="old") == ["Old"]
    assert names(affected_object_types="RecoveryPlan") == []
    fabric = f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
    assert names(fabric_id=fabric) == []
    details = export(program, job_output_type="Json", timezone_offset=480.0)
    assert file_of(program, details).json()[0]["startTime"].endswith("+08:00")


def test_the_file_has_no_job_of_later_and_the_export_is_a_job(
    program: Program, vault: Vault, engine: ScriptedEngine
) -> None:
    make_job(vault, "Before")
    details = export(program, job_output_type="Json")
    make_job(vault, "After", hours_ago=0)
    assert [row["operation"] for row in file_of(program, details).json()] == ["Before"]
    listed = program.site_recovery.replication_jobs.list(*program.scope)
    [shown] = [job for job in listed if job.properties.scenario_name == "ExportJobs"]
    assert shown.properties.custom_details.affected_object_details == {"Jobs": "1"}
    # A list hands out no tokens; the job does, a new one each time.
    assert shown.properties.custom_details.sas_token is None
    again = program.site_recovery.replication_jobs.get(*program.scope, shown.name)
    assert file_of(program, again.properties.custom_details).status_code == 200


def test_a_token_opens_its_own_file_only(
    program: Program, vault: Vault, engine: ScriptedEngine
) -> None:
    first, second = export(program, job_output_type="Json"), export(program, job_output_type="Csv")
    for address in (
        first.blob_uri,
        f"{first.blob_uri}?sig=",
        f"{first.blob_uri}?sig=made-up",
        f"{first.blob_uri}{second.sas_token}",
        f"{first.blob_uri}{str(first.sas_token)[:-1]}",
    ):
        answer = fetch(program, str(address))
        assert answer.status_code == 403, address
        assert answer.json()["error"]["code"] == "AuthenticationFailed"
    other_name = str(first.blob_uri).replace("jobs.json", "jobs.csv")
    assert fetch(program, f"{other_name}{first.sas_token}").status_code == 404
    assert fetch(program, f"{program.server.url}/exports/no-uuid/jobs.json").status_code == 400


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("startTime", "yesterday", "InvalidFilter"),
        ("jobStatus", "Dancing", "InvalidFilter"),
        ("jobOutputType", "Pdf", "InvalidOutputType"),
        ("fabricId", "x", "InvalidResourceReference"),
        ("timezoneOffset", 100_000, "InvalidRequestContent"),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    program: Program, vault: Vault, field: str, value: object, code: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        program.site_recovery.replication_jobs.begin_export(*program.scope, {field: value}).result()
    assert error_of(refused.value)["code"] == code
    assert json.dumps(error_of(refused.value)["details"][0]["possibleCauses"])
    assert not Job.objects.exists()
