"""Webhooks, and alerts on their way, in answers."""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from coordinator.api.paths import WEBHOOK, VaultId
from coordinator.api.shapes.envelope import Envelope, Time, resource, written_time
from coordinator.events.models import AlertDelivery, Webhook

DELIVERIES = "deliveries"
State: TypeAlias = Literal["Pending", "Delivered", "Dead"]


class WebhookProperties(TypedDict):
    url: str
    enabled: bool
    eventTypes: list[str]
    severities: list[str]
    createdAt: Time
    createdBy: str
    # Until when requests are signed with the former secret as well.
    formerSecretUntil: Time | None
    # In the answer that makes it only.
    secret: NotRequired[str]


class WebhookResource(Envelope):
    """An address that a vault's events are posted to."""

    properties: WebhookProperties


class AlertDeliveryProperties(TypedDict):
    state: State
    kind: str
    eventCount: int
    address: str | None
    attempts: int
    createdAt: Time
    nextAttemptAt: Time | None
    finishedAt: Time | None
    lastProblem: str | None


class AlertDeliveryResource(Envelope):
    """An alert on its way to one place, or one that has come there, or was given up."""

    properties: AlertDeliveryProperties


def webhook_id(ids: VaultId, name: str) -> str:
    return ids.child(WEBHOOK, webhook_name=name)


def webhook_resource(ids: VaultId, webhook: Webhook, secret: str = "") -> WebhookResource:
    """A webhook; its secret only when it was just made."""
    properties: WebhookProperties = {
        "url": webhook.url,
        "enabled": webhook.enabled,
        "eventTypes": webhook.event_types,
        "severities": webhook.severities,
        "createdAt": written_time(webhook.created_at),
        "createdBy": webhook.created_by,
        "formerSecretUntil": written_time(webhook.former_until),
    }
    if secret:
        properties["secret"] = secret
    return resource(webhook_id(ids, webhook.name), properties)


def delivery_resource(place: str, delivery: AlertDelivery) -> AlertDeliveryResource:
    """A delivery.

    Args:
        place: Id of the webhook, or of the alert setting.
        delivery: The delivery.
    """
    return resource(
        f"{place}/{DELIVERIES}/{delivery.id}",
        AlertDeliveryProperties(
            state=cast("State", delivery.state),
            kind=delivery.content["kind"],
            eventCount=delivery.content["total"],
            address=delivery.address or None,
            attempts=delivery.attempts,
            createdAt=written_time(delivery.created_at),
            nextAttemptAt=written_time(delivery.next_attempt_at),
            finishedAt=written_time(delivery.finished_at),
            lastProblem=delivery.problem or None,
        ),
    )
