"""The events domain's verbs: raising, clearing, forgetting."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import Q

from coordinator.events.models import Event
from coordinator.events.states import HEALTH_CHANGED, EventType, Severity
from coordinator.failures import Failure

log = structlog.get_logger(__name__)

# Events that are over are kept so long, and those of which nobody ever says that they are over.
KEPT = timedelta(days=90)
WARNINGS_KEPT = timedelta(days=14)
PRUNE_TASK = "events.prune"
PRUNE_PERIOD = timedelta(hours=6)
AT_ONCE = 5000
MOST_TIMES = 20
CODE_LENGTH = 64
NAME_LENGTH = 255
KEY_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class EventDraft:
    """An event to raise.

    Attributes:
        type: Of what kind.
        severity: How much it matters.
        code: ASR's or ours, for programs; empty: the failure's.
        failure: The four things to tell.
        affected_type: ASR's type of the object, for example "ProtectionEntity" or "Server".
        affected_id: Its own id.
        affected_name: Its name, for people.
        key: What the event is about, for example "held:<item>"; of one key one event is open.
        fabric_name: The server in resource ids, when it is about one or about something on it.
    """

    vault_id: UUID
    type: EventType
    severity: Severity
    failure: Failure
    affected_type: str
    affected_id: str
    affected_name: str
    key: str
    code: str = ""
    fabric_name: str = ""


def raise_event(draft: EventDraft, now: datetime) -> Event:
    """Raises an event, unless one of its key is open.

    Args:
        draft: What to tell.
        now: When it happened.

    Returns:
        The open event of the key.

    Idempotent: By the key, while it is open; what the first one told stays.

    Source: SPEC EV-1; DESIGN invariant 9.
    """
    return raise_events([draft], now)[0]


def raise_events(drafts: Iterable[EventDraft], now: datetime) -> list[Event]:
    """Raises many events in two statements; each as `raise_event` does.

    Returns:
        The open event of each draft, in their order.
    """
    wanted = list(drafts)
    if not wanted:
        return []
    new = [_event(draft, now) for draft in wanted]
    # Not by asking first: two that find nothing would both write.
    Event.objects.bulk_create(new, ignore_conflicts=True, batch_size=AT_ONCE)
    rows = Event.objects.filter(
        vault_id__in={draft.vault_id for draft in wanted},
        key__in={event.key for event in new},
        cleared_at=None,
    )
    opened = {(row.vault_id, row.key): row for row in rows}
    for event in new:
        stored = opened[event.vault_id, event.key]
        if stored.id == event.id:
            _log(event)
    return [opened[event.vault_id, event.key] for event in new]


def note_event(draft: EventDraft, now: datetime) -> Event:
    """Notes what happened and is over with it: it stays on the list, and never stands open.

    Args:
        draft: What to tell; its key may be used again.
        now: When it happened.

    Source: SPEC EV-1.
    """
    event = _event(draft, now)
    event.cleared_at = event.clearing_told_at = now
    event.save(force_insert=True)
    _log(event)
    return event


def clear_event(vault_id: UUID, key: str, now: datetime) -> bool:
    """Says that what an event told of is over.

    Returns:
        Whether one was open.

    Idempotent.
    """
    return clear_events(vault_id, [key], now) > 0


def clear_events(vault_id: UUID, keys: Collection[str], now: datetime) -> int:
    """Clears the open events of many keys; gives how many there were. Idempotent."""
    shortened = [key[:KEY_LENGTH] for key in keys]
    if not shortened:
        return 0
    cleared = Event.objects.filter(vault_id=vault_id, key__in=shortened, cleared_at=None).update(
        cleared_at=now
    )
    if cleared:
        log.info("event.cleared", vault_id=str(vault_id), keys=shortened[:5], count=cleared)
    return cleared


def clear_events_about(vault_id: UUID, affected_id: str, now: datetime) -> int:
    """Clears whatever is open about an object that is gone. Idempotent."""
    about = Event.objects.filter(vault_id=vault_id, affected_id=affected_id, cleared_at=None)
    return about.update(cleared_at=now)


def forget_fabric_events(vault_id: UUID, fabric_name: str) -> None:
    """Deletes what is kept about a server that is no longer registered. Source: SPEC PV-1."""
    Event.objects.filter(vault_id=vault_id, fabric_name=fabric_name).delete()


def prune_events(now: datetime) -> None:
    """Deletes events that have been over for long; jobs' failures are never said to be over.

    Warnings of machines' health are many, and of no use after some days.
    """
    before = now - KEPT
    passing = Q(code=HEALTH_CHANGED, severity=Severity.WARNING)
    over = (
        Q(cleared_at__lt=before)
        | Q(type=EventType.JOB_STATUS, occurred_at__lt=before)
        | Q(passing, cleared_at__lt=now - WARNINGS_KEPT)
    )
    old = Event.objects.filter(over).order_by("occurred_at").values_list("id", flat=True)
    for _ in range(MOST_TIMES):
        found = list(old[:AT_ONCE])
        Event.objects.filter(id__in=found).delete()
        if len(found) < AT_ONCE:
            return


def _event(draft: EventDraft, now: datetime) -> Event:
    return Event(
        vault_id=draft.vault_id,
        type=draft.type,
        severity=draft.severity,
        code=(draft.code or draft.failure.code)[:CODE_LENGTH],
        failure=draft.failure.as_json(),
        affected_type=draft.affected_type,
        affected_id=draft.affected_id,
        affected_name=draft.affected_name[:NAME_LENGTH],
        fabric_name=draft.fabric_name,
        key=draft.key[:KEY_LENGTH],
        occurred_at=now,
    )


def _log(event: Event) -> None:
    log.info(
        "event.raised",
        vault_id=str(event.vault_id),
        event_type=event.type,
        severity=event.severity,
        code=event.code,
        affected_id=event.affected_id,
        key=event.key,
    )
