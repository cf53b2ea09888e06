"""Tables of the events domain."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from coordinator.events.audit.models import AuditChain, AuditRecord
from coordinator.vaults.models import Vault

__all__ = ["AuditChain", "AuditRecord", "Event"]


class Event(models.Model):
    """Something that needs somebody's eye; open until what it tells of is over."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="events")
    # Values of events.states.EventType and Severity.
    type = models.CharField(max_length=16)
    severity = models.CharField(max_length=8)
    code = models.CharField(max_length=64)
    # Failure.as_json.
    failure = models.JSONField()
    # ASR's targetInstanceType of the object, its own id, and its name for people.
    affected_type = models.CharField(max_length=64)
    affected_id = models.CharField(max_length=64)
    affected_name = models.CharField(max_length=255)
    # The server it is about or the object is on, as in resource ids; empty for none.
    fabric_name = models.CharField(max_length=64, default="")
    # What the event is about; of one key there is one open event.
    key = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    # When what it tells of was over; null while it is open.
    cleared_at = models.DateTimeField(null=True)
    # When alerts were made of its beginning and of its end, see `alerting.telling`.
    told_at = models.DateTimeField(null=True)
    clearing_told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vault", "key"],
                name="event_open_once",
                condition=models.Q(cleared_at__isnull=True),
            )
        ]
        indexes = [
            models.Index(fields=["vault", "-occurred_at"], name="event_newest"),
            models.Index(fields=["occurred_at"], name="event_age"),
            models.Index(
                fields=["occurred_at"],
                name="event_untold",
                condition=models.Q(told_at__isnull=True),
            ),
            models.Index(
                fields=["cleared_at"],
                name="event_clearing_untold",
                condition=models.Q(cleared_at__isnull=False, clearing_told_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.affected_name}"


class AlertSetting(models.Model):
    """Who is sent e-mail about a vault; a vault without a row sends none."""

    vault = models.OneToOneField(
        Vault, primary_key=True, on_delete=models.CASCADE, related_name="alert_setting"
    )
    send_to_owners = models.BooleanField()
    # E-mail addresses beside the owners'.
    addresses = models.JSONField()
    # As the client wrote it, for example "zh-CN".
    locale = models.CharField(max_length=35)

    def __str__(self) -> str:
        return f"alert setting of {self.vault_id}"


class Webhook(models.Model):
    """An address that a vault's events are posted to."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=64)
    url = models.CharField(max_length=2048)
    enabled = models.BooleanField(default=True)
    # Values of EventType and Severity that are posted; empty: all.
    event_types = models.JSONField(default=list)
    severities = models.JSONField(default=list)
    # What requests are signed with, sealed with the installation's key (`alerting.sealing`).
    sealed_secret = models.BinaryField()
    # The one before it, with which requests are signed as well until then.
    sealed_former_secret = models.BinaryField(null=True)
    former_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint("vault", Lower("name"), name="webhook_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class AlertDelivery(models.Model):
    """An alert on its way to one place; written before it is sent, tried until it is there."""

    # Its idempotency id: whoever receives it twice can tell.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="+")
    # Where to: a webhook, or else an e-mail address.
    webhook = models.ForeignKey(
        Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    address = models.CharField(max_length=254, default="")
    # What it tells (`alerting.content`); emptied when it has been delivered.
    content = models.JSONField()
    # A value of alerting.states.DeliveryState.
    state = models.CharField(max_length=16)
    attempts = models.PositiveIntegerField(default=0)
    # While it is pending.
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # Why the last attempt failed.
    problem = models.CharField(max_length=500, default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="delivery_pending",
                condition=models.Q(state="Pending"),
            ),
            models.Index(fields=["vault", "-created_at"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"alert delivery {self.id}"
