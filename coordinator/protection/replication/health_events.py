"""The event of a machine whose replication health became critical."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from coordinator.events.services import EventDraft, clear_events, raise_events
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure
from coordinator.protection.models import ProtectedItem

CRITICAL = "Critical"


def health_key(item_id: UUID | str) -> str:
    """Key of the event that says that a machine's replication is critical."""
    return f"health:{item_id}"


def tell_health(items: Iterable[ProtectedItem], before: Mapping[UUID, str], now: datetime) -> None:
    """Raises the event where health became critical, clears it where it is so no more.

    Args:
        items: As they are now.
        before: Their health as it was.
        now: The time.

    Source: SPEC EV-1; ASR's SRSVMHealthChanged.
    """
    changed = [item for item in items if before[item.id] != item.replication_health]
    raise_events([_draft(item) for item in changed if item.replication_health == CRITICAL], now)
    well: dict[UUID, list[str]] = {}
    for item in changed:
        if before[item.id] == CRITICAL:
            well.setdefault(item.vault_id, []).append(health_key(item.id))
    for vault_id, keys in well.items():
        clear_events(vault_id, keys, now)


def _draft(item: ProtectedItem) -> EventDraft:
    errors = [error for error in item.health_errors if error.get("errorLevel") == "Error"]
    worst = (errors or item.health_errors or [{}])[0]
    message = str(worst.get("errorMessage") or "Its replication does not go on.")
    causes = str(worst.get("possibleCauses") or "The host or the network is down.")
    action = str(worst.get("recommendedAction") or "Look at the machine's health errors.")
    return EventDraft(
        vault_id=item.vault_id,
        type=EventType.VM_HEALTH,
        severity=Severity.CRITICAL,
        code="SRSVMHealthChanged",
        failure=Failure(
            str(worst.get("errorCode") or "SRSVMHealthChanged"),
            f"The replication of {item.friendly_name} is critical: {message}",
            tuple(causes.splitlines()),
            action,
        ),
        affected_type="ProtectionEntity",
        affected_id=str(item.id),
        affected_name=item.friendly_name,
        key=health_key(item.id),
    )
