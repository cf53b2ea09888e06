"""Routes of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import JobPath, VaultPath
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.filters import parse_filter, parse_time
from coordinator.api.long_operations import find_job
from coordinator.api.paging import page
from coordinator.api.paths import JOB, VAULT
from coordinator.api.shapes.jobs import job_resource
from coordinator.failures import refuse
from coordinator.jobs.queries import JobFilters, list_jobs
from coordinator.jobs.states import JobState

router = Router()

FILTERS = (
    "startTime",
    "endTime",
    "fabricId",
    "affectedObjectTypes",
    "jobStatus",
    "jobName",
)


@router.get(f"{VAULT}/replicationJobs")
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
        lambda job: job_resource(call.ids, job),
    )


@router.get(JOB)
@served
def get_job(request: HttpRequest, path: Path[JobPath]) -> Answer:
    call = open_vault(request, path)
    return job_resource(call.ids, find_job(call, path.job_name))


def read_filters(given: Mapping[str, str]) -> JobFilters:
    """What the filter's words mean; values may be several, by commas.

    Raises:
        RefusedError: A time or a state is none.
    """
    end = _time(given, "endTime")
    return JobFilters(
        created_from=_time(given, "startTime"),
        created_before=None if end is None else _just_after(end),
        states=[_state(word) for word in _words(given.get("jobStatus", ""))],
        target_types=_words(given.get("affectedObjectTypes", "")),
        friendly_name=given.get("jobName", ""),
        fabric_name=given.get("fabricId", "").rstrip("/").rpartition("/")[2],
    )


def _time(given: Mapping[str, str], name: str) -> datetime | None:
    return parse_time(name, given[name]) if name in given else None


def _just_after(end: datetime) -> datetime | None:
    """The end of the window belongs to it; after the last moment there is comes no other."""
    try:
        return end + timedelta(microseconds=1)
    except OverflowError:
        return None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _state(word: str) -> JobState:
    states = {state.value.lower(): state for state in JobState}
    if word.lower() in states:
        return states[word.lower()]
    names = ", ".join(state.value for state in JobState)
    raise refuse(
        "InvalidFilter",
        f"jobStatus in $filter is no state of a job: '{word}'.",
        causes=[f"The states are {names}."],
        action="Use one or several of the states, separated by commas.",
        field="$filter",
    )
