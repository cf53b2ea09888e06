"""The event of a machine whose replication is not well: critical, or in need of attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from coordinator.events.services import EventDraft, clear_events, raise_events
from coordinator.events.states import HEALTH_CHANGED, EventType, Severity
from coordinator.failures import Failure
from coordinator.protection.models import ProtectedItem
from coordinator.protection.replication.health import Health

SEVERITIES: Mapping[str, Severity] = {
    Health.WARNING: Severity.WARNING,
    Health.CRITICAL: Severity.CRITICAL,
}
WORDS: Mapping[str, str] = {Health.WARNING: "needs attention", Health.CRITICAL: "is critical"}
LEVELS: Mapping[str, str] = {Health.WARNING: "Warning", Health.CRITICAL: "Error"}


def health_key(item_id: UUID | str) -> str:
    """Key of the event that says that a machine's replication is not well."""
    return f"health:{item_id}"


def tell_health(items: Iterable[ProtectedItem], before: Mapping[UUID, str], now: datetime) -> None:
    """Raises an event where health became critical or a warning, clears it where it is so no more.

    Args:
        items: As they are now.
        before: Their health as it was.
        now: The time.

    Source: SPEC EV-1; ASR's SRSVMHealthChanged.
    """
    changed = [item for item in items if before[item.id] != item.replication_health]
    over: dict[UUID, list[str]] = {}
    for item in changed:
        if before[item.id] in SEVERITIES:
            over.setdefault(item.vault_id, []).append(health_key(item.id))
    for vault_id, keys in over.items():
        clear_events(vault_id, keys, now)
    raise_events([_draft(item) for item in changed if item.replication_health in SEVERITIES], now)


def _draft(item: ProtectedItem) -> EventDraft:
    health = item.replication_health
    errors = [error for error in item.health_errors if error.get("errorLevel") == LEVELS[health]]
    worst = (errors or item.health_errors or [{}])[0]
    message = str(worst.get("errorMessage") or "Its replication does not go on.")
    causes = str(worst.get("possibleCauses") or "The host or the network is down.")
    action = str(worst.get("recommendedAction") or "Look at the machine's health errors.")
    return EventDraft(
        vault_id=item.vault_id,
        type=EventType.VM_HEALTH,
        severity=SEVERITIES[health],
        code=HEALTH_CHANGED,
        failure=Failure(
            str(worst.get("errorCode") or HEALTH_CHANGED),
            f"The replication of {item.friendly_name} {WORDS[health]}: {message}",
            tuple(causes.splitlines()),
            action,
        ),
        affected_type="ProtectionEntity",
        affected_id=str(item.id),
        affected_name=item.friendly_name,
        key=health_key(item.id),
    )
