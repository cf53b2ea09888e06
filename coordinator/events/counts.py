"""How many events are open and alerts on their way, over all vaults: for metrics."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count, Q

from coordinator.events.alerting.states import DeliveryState
from coordinator.events.models import AlertDelivery, Event

EMAIL, WEBHOOK = "email", "webhook"


def open_events() -> Iterable[tuple[UUID, str, str, int]]:
    """Vault, type, severity and number of the events that are not over."""
    rows = Event.objects.filter(cleared_at=None).order_by()
    return rows.values_list("vault_id", "type", "severity").annotate(count=Count("id"))


def undelivered_alerts() -> Iterable[tuple[UUID, str, str, int]]:
    """Vault, "email" or "webhook", state and number of the alerts that have not arrived."""
    rows = AlertDelivery.objects.exclude(state=DeliveryState.DELIVERED).order_by()
    marked = rows.annotate(is_mail=Q(webhook=None))
    counted = marked.values_list("vault_id", "is_mail", "state").annotate(count=Count("id"))
    for vault_id, is_mail, state, count in counted:
        yield vault_id, EMAIL if is_mail else WEBHOOK, state, count
