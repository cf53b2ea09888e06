"""Tables of the events domain."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.vaults.models import Vault


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
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.affected_name}"
