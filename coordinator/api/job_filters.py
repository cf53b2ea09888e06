"""By what lists and exports of jobs can be narrowed: ASR's JobQueryParameter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from coordinator.api.filters import parse_time
from coordinator.failures import refuse
from coordinator.jobs.queries import JobFilters
from coordinator.jobs.states import JobState

FILTERS = (
    "startTime",
    "endTime",
    "fabricId",
    "affectedObjectTypes",
    "jobStatus",
    "jobName",
)


def read_filters(given: Mapping[str, str], place: str = "$filter") -> JobFilters:
    """What the filter's words mean; values may be several, by commas.

    Args:
        given: Word by name.
        place: What part of the request has them.

    Raises:
        RefusedError: A time or a state is none.
    """
    end = _time(given, "endTime", place)
    return JobFilters(
        created_from=_time(given, "startTime", place),
        created_before=None if end is None else _just_after(end),
        states=[_state(word, place) for word in _words(given.get("jobStatus", ""))],
        target_types=_words(given.get("affectedObjectTypes", "")),
        friendly_name=given.get("jobName", ""),
        fabric_name=given.get("fabricId", "").rstrip("/").rpartition("/")[2],
    )


def _time(given: Mapping[str, str], name: str, place: str) -> datetime | None:
    return parse_time(name, given[name], place) if name in given else None


def _just_after(end: datetime) -> datetime | None:
    """The end of the window belongs to it; after the last moment there is comes no other."""
    try:
        return end + timedelta(microseconds=1)
    except OverflowError:
        return None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _state(word: str, place: str) -> JobState:
    states = {state.value.lower(): state for state in JobState}
    if word.lower() in states:
        return states[word.lower()]
    names = ", ".join(state.value for state in JobState)
    raise refuse(
        "InvalidFilter",
        f"jobStatus in the {place} is no state of a job: '{word}'.",
        causes=[f"The states are {names}."],
        action="Use one or several of the states, separated by commas.",
        field=place,
    )
