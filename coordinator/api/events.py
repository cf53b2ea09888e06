"""Routes of events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import EventPath, VaultPath
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.filters import parse_filter, parse_time, unknown_value
from coordinator.api.openapi.parameters import filters, taking
from coordinator.api.paging import page
from coordinator.api.paths import EVENT, VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.events import EventResource, event_id, event_resource
from coordinator.events.queries import EventFilters, events_of, find_event
from coordinator.events.states import EventType, Severity

router = Router()

# ASR's EventQueryParameter, and "isOpen" of ours.
FILTERS = (
    "eventCode",
    "severity",
    "eventType",
    "fabricName",
    "affectedObjectFriendlyName",
    "affectedObjectCorrelationId",
    "startTime",
    "endTime",
    "isOpen",
)


@router.get(
    f"{VAULT}/replicationEvents",
    response=lists(EventResource),
    openapi_extra=taking(filters(FILTERS)),
)
@served
def list_events(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Events, newest first; those that are over too."""
    call = open_vault(request, path)
    wanted = read_filters(parse_filter(request.GET.get("$filter", ""), FILTERS))
    rows = events_of(call.vault.id, wanted)
    return page(
        request, lambda start, end: rows[start:end], lambda event: event_resource(call.ids, event)
    )


@router.get(EVENT, response=shows(EventResource))
@served
def get_event(request: HttpRequest, path: Path[EventPath]) -> Answer:
    call = open_vault(request, path)
    try:
        event = find_event(call.vault.id, UUID(path.event_name))
    except ValueError:
        event = None
    if event is None:
        raise NotFoundError(event_id(call.ids, path.event_name))
    return event_resource(call.ids, event)


def read_filters(given: Mapping[str, str]) -> EventFilters:
    """What the filter's words mean.

    Raises:
        RefusedError: A time, a type or a severity is none.
    """
    return EventFilters(
        type=_one_of(EventType, "eventType", given),
        severity=_one_of(Severity, "severity", given),
        code=given.get("eventCode", ""),
        affected=given.get("affectedObjectFriendlyName", ""),
        affected_id=given.get("affectedObjectCorrelationId", ""),
        fabric_name=given.get("fabricName", ""),
        since=parse_time("startTime", given["startTime"]) if "startTime" in given else None,
        until=parse_time("endTime", given["endTime"]) if "endTime" in given else None,
        only_open=_truth(given.get("isOpen", "false")),
    )


def _one_of(values: type[StrEnum], name: str, given: Mapping[str, str]) -> str:
    word = given.get(name, "")
    known = {value.lower(): value.value for value in values}
    if not word or word.lower() in known:
        return known.get(word.lower(), "")
    raise unknown_value(name, word, known.values())


def _truth(word: str) -> bool:
    known = {"true": True, "false": False}
    if word.lower() not in known:
        raise unknown_value("isOpen", word, known)
    return known[word.lower()]
