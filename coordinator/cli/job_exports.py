"""osr job export: jobs as a file."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.operations import DEFAULT_LIMIT_SECONDS, LimitOption, begin, follow
from coordinator.cli.outputs import OutputFormat
from coordinator.cli.session import Session, command


class Form(StrEnum):
    """What the file is; the values are what the API calls them, in small letters."""

    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"
    XML = "xml"

    @property
    def word(self) -> str:
        """The API's name."""
        return {Form.XLSX: "Excel", Form.CSV: "Csv", Form.JSON: "Json", Form.XML: "Xml"}[self]


def export(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    file: Annotated[Path, typer.Argument(help="To write: *.xlsx, *.csv, *.json or *.xml.")],
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="2026-01-31T22:00Z")
    ] = None,
    end: Annotated[str | None, typer.Option("--until", metavar="TIME")] = None,
    state: Annotated[str | None, typer.Option(help="Failed, or several with commas.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only with this name.")] = None,
    offset_minutes: Annotated[
        int, typer.Option("--utc-offset", help="Of the times in the file, in minutes.")
    ] = 0,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Writes jobs to a file; the ending of its name says what it is."""
    form = _form(file)
    wanted: dict[str, Any] = {
        "startTime": start,
        "endTime": end,
        "jobStatus": state,
        "jobName": operation,
        "jobOutputType": form.word,
        "timezoneOffset": offset_minutes,
    }
    clients = session.clients
    jobs = clients.site_recovery.replication_jobs
    body = {name: value for name, value in wanted.items() if value is not None}
    job_name = begin(jobs.begin_export, *clients.scope, body)
    # The answer is the file; how its job goes is told beside that.
    beside = replace(session, format=OutputFormat.TABLE, output=session.notes)
    follow(beside, job_name, wait=True, limit_seconds=limit_seconds)
    job: Any = jobs.get(*clients.scope, job_name)
    details = job.properties.custom_details
    content = clients.download(details.blob_uri, details.sas_token)
    try:
        file.write_bytes(content)
    except OSError as error:
        raise CommandError(
            ExitCode.USAGE,
            f"{file} cannot be written: {error.strerror}.",
            recommended_action="Choose another file.",
        ) from error
    if session.as_json:
        session.show_json({"file": str(file), "bytes": len(content), "job": job_name})
    session.tell(f"{file} is written, {len(content)} bytes.")


def add_to(app: typer.Typer) -> None:
    """Adds the command to osr job."""
    command(app)(export)


def _form(file: Path) -> Form:
    ending = file.suffix.removeprefix(".").lower()
    if ending not in set(Form):
        raise CommandError(
            ExitCode.USAGE,
            f"What {file} is to be cannot be told from its name.",
            recommended_action=f"Let it end in one of: {', '.join(Form)}.",
        )
    return Form(ending)
