"""Reading events; every query is of one vault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from coordinator.events.counts import open_events, undelivered_alerts
from coordinator.events.models import Event

__all__ = [
    "EVERYTHING",
    "EventFilters",
    "events_of",
    "find_event",
    "open_events",
    "undelivered_alerts",
]


@dataclass(frozen=True, kw_only=True)
class EventFilters:
    """Which events; what is empty or None does not narrow.

    Attributes:
        affected: Id or name of the object.
        fabric_name: Of the server in resource ids.
        until: The last moment that counts.
        only_open: What is not over.
    """

    type: str = ""
    severity: str = ""
    code: str = ""
    affected: str = ""
    affected_id: str = ""
    fabric_name: str = ""
    since: datetime | None = None
    until: datetime | None = None
    only_open: bool = False


EVERYTHING = EventFilters()


def events_of(vault_id: UUID, filters: EventFilters = EVERYTHING) -> QuerySet[Event]:
    """Events of a vault, newest first."""
    rows = Event.objects.filter(vault_id=vault_id)
    for column, value in (
        ("type", filters.type),
        ("severity", filters.severity),
        ("code", filters.code),
        ("affected_name", filters.affected),
        ("affected_id", filters.affected_id),
        ("fabric_name", filters.fabric_name),
    ):
        if value:
            rows = rows.filter(**{f"{column}__iexact": value})
    if filters.since is not None:
        rows = rows.filter(occurred_at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(occurred_at__lte=filters.until)
    if filters.only_open:
        rows = rows.filter(cleared_at=None)
    return rows.order_by("-occurred_at", "id")


def find_event(vault_id: UUID, event_id: UUID) -> Event | None:
    return Event.objects.filter(vault_id=vault_id, id=event_id).first()
