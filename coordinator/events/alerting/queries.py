"""Reading alert settings, webhooks and deliveries; every query is of one vault."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from coordinator.events.models import AlertDelivery, AlertSetting, Webhook


def find_alert_setting(vault_id: UUID) -> AlertSetting | None:
    return AlertSetting.objects.filter(vault_id=vault_id).first()


def list_webhooks(vault_id: UUID) -> QuerySet[Webhook]:
    return Webhook.objects.filter(vault_id=vault_id).order_by("name", "id")


def find_webhook(vault_id: UUID, name: str) -> Webhook | None:
    return Webhook.objects.filter(vault_id=vault_id, name__iexact=name).first()


def list_deliveries(
    vault_id: UUID, webhook: Webhook | None, state: str = ""
) -> QuerySet[AlertDelivery]:
    """Deliveries to a webhook, or by e-mail, newest first.

    Args:
        vault_id: The vault.
        webhook: None: mails.
        state: Only those; "": all.
    """
    rows = AlertDelivery.objects.filter(vault_id=vault_id, webhook=webhook)
    if state:
        rows = rows.filter(state=state)
    return rows.order_by("-created_at", "id")


def find_delivery(
    vault_id: UUID, webhook: Webhook | None, delivery_id: UUID | None
) -> AlertDelivery | None:
    """A delivery to a webhook, or by e-mail, locked until the transaction ends."""
    if delivery_id is None:
        return None
    rows = list_deliveries(vault_id, webhook).select_for_update(of=("self",))
    return rows.filter(id=delivery_id).first()
