"""Jobs in exported files: a row for each, with its tasks and errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from coordinator.api.exported_files import Row, csv_file, workbook_file, xml_file
from coordinator.jobs.queries import JobView


class Output(StrEnum):
    """Kinds of file: ASR's three, and CSV."""

    JSON = "Json"
    XML = "Xml"
    EXCEL = "Excel"
    CSV = "Csv"


CONTENT_TYPES = {
    Output.JSON: "application/json",
    Output.XML: "application/xml",
    Output.EXCEL: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Output.CSV: "text/csv; charset=utf-8",
}
FILE_NAMES = {
    Output.JSON: "jobs.json",
    Output.XML: "jobs.xml",
    Output.EXCEL: "jobs.xlsx",
    Output.CSV: "jobs.csv",
}
# By the name of a value in JSON and XML: the head of its column.
COLUMNS = {
    "jobId": "Job ID",
    "operation": "Operation",
    "scenarioName": "Scenario",
    "state": "Status",
    "stateDescription": "Status description",
    "targetObjectName": "Item",
    "targetInstanceType": "Item type",
    "startedBy": "Started by",
    "startTime": "Start time",
    "endTime": "End time",
    "durationInSeconds": "Duration (seconds)",
    "tasks": "Tasks",
    "errorCodes": "Error codes",
    "errors": "Errors",
    "recommendedActions": "Recommended actions",
}


def jobs_file(output: Output, jobs: Sequence[JobView], offset_minutes: int) -> bytes:
    """A file of jobs.

    Args:
        output: Its kind.
        jobs: In the order of their rows.
        offset_minutes: Of the clock times are written in, east of UTC.
    """
    zone = timezone(timedelta(minutes=offset_minutes))
    if output is Output.JSON:
        return json.dumps([_document(job, zone) for job in jobs], ensure_ascii=False).encode()
    rows = [_row(job, zone) for job in jobs]
    heads = list(COLUMNS.values())
    if output is Output.XML:
        return xml_file("Jobs", "Job", list(COLUMNS), rows)
    if output is Output.EXCEL:
        return workbook_file("Jobs", heads, rows)
    return csv_file(heads, rows)


def _row(job: JobView, zone: timezone) -> Row:
    failures = [error.failure for error in job.errors]
    return (
        *_summary(job, zone).values(),
        _lines(f"{task.friendly_name}: {task.state.value}" for task in job.tasks),
        _lines(failure.code for failure in failures),
        _lines(failure.message for failure in failures),
        _lines(failure.recommended_action for failure in failures),
    )


def _summary(job: JobView, zone: timezone) -> dict[str, str | float | None]:
    began = job.started_at or job.created_at
    ended = job.finished_at
    return {
        "jobId": str(job.id),
        "operation": job.friendly_name,
        "scenarioName": job.scenario,
        "state": job.state.value,
        "stateDescription": job.state_description or job.state.value,
        "targetObjectName": job.target_name,
        "targetInstanceType": job.target_type,
        "startedBy": job.started_by,
        "startTime": _time(began, zone),
        "endTime": _time(ended, zone),
        "durationInSeconds": None if ended is None else round((ended - began).total_seconds(), 1),
    }


def _document(job: JobView, zone: timezone) -> dict[str, object]:
    return {
        **_summary(job, zone),
        "tasks": [
            {
                "name": task.name,
                "friendlyName": task.friendly_name,
                "state": task.state.value,
                "startTime": _time(task.started_at, zone),
                "endTime": _time(task.finished_at, zone),
            }
            for task in job.tasks
        ],
        "errors": [{**error.failure.as_json(), "task": error.task or None} for error in job.errors],
    }


def _time(time: datetime | None, zone: timezone) -> str | None:
    return None if time is None else time.astimezone(zone).isoformat(timespec="seconds")


def _lines(texts: Iterable[str]) -> str | None:
    return "\n".join(dict.fromkeys(text for text in texts if text)) or None
