"""What an alert tells: only what the event itself says, no data of machines (SPEC PV-1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from coordinator.events.alerting.rules import importance
from coordinator.events.models import Event
from coordinator.vaults.models import Vault

Content: TypeAlias = dict[str, Any]

# More are counted and not listed, in one mail; whoever wants all of them asks for the list.
MOST_IN_A_MAIL = 500
# In one request to a webhook; what is more comes in further ones.
MOST_IN_A_REQUEST = 100
RAISED, CLEARED, TEST = "EventsRaised", "EventsCleared", "Test"


def told(event: Event) -> Content:
    """An event as alerts tell of it: ASR's names, without the error record of PowerShell."""
    failure: Mapping[str, Any] = event.failure
    return {
        "id": str(event.id),
        "eventType": event.type,
        "severity": event.severity,
        "eventCode": event.code,
        "affectedObjectType": event.affected_type,
        "affectedObjectFriendlyName": event.affected_name,
        "affectedObjectCorrelationId": event.affected_id,
        "fabricName": event.fabric_name,
        "timeOfOccurrence": _written(event.occurred_at),
        "timeOfClearing": None if event.cleared_at is None else _written(event.cleared_at),
        "errorCode": failure.get("code", ""),
        "message": failure.get("message", ""),
        "possibleCauses": list(failure.get("possibleCauses", ())),
        "recommendedAction": failure.get("recommendedAction", ""),
    }


def content(kind: str, vault: Vault, events: Iterable[Event]) -> Content:
    """What one delivery tells.

    Args:
        kind: RAISED, CLEARED or TEST.
        vault: Whose events they are.
        events: In the order they are told in.
    """
    listed = [told(event) for event in events]
    return {
        "kind": kind,
        "vault": {
            "name": vault.name,
            "resourceGroup": vault.resource_group,
            "subscriptionId": str(vault.subscription_id),
        },
        "total": len(listed),
        "events": listed,
    }


def joined(before: Content, more: Content) -> Content:
    """What a mail that has not been sent tells with what came since."""
    events: Sequence[Content] = [*before["events"], *more["events"]]
    return {**more, "total": before["total"] + more["total"], "events": most_important(events)}


def most_important(events: Iterable[Content]) -> list[Content]:
    """As many as a mail lists, what matters most first, otherwise as they come."""
    ranked = sorted(events, key=lambda event: importance(event["eventType"], event["severity"]))
    return ranked[:MOST_IN_A_MAIL]


def _written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def remembered(told: Content) -> Content:
    """What stays of a delivery's content once it has been delivered: no names."""
    return {"kind": told["kind"], "total": told["total"]}
