"""Tables of replication as it runs: what each side's host said last, and how RPO went."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from google.protobuf import json_format
from opensiterecovery.provider.v1 import replication_pb2

from coordinator.protection.models.items import ProtectedItem


class ReplicationSide(models.Model):
    """What the host of one side of an item said last.

    Apart from the item's row, so that reports, which come every few seconds for every item, never
    wait for a job that holds the item, nor the two sites' reports for each other. Only columns
    without an index change, which PostgreSQL does in place.
    """

    id = models.BigAutoField(primary_key=True)
    item = models.ForeignKey(
        ProtectedItem, on_delete=models.CASCADE, related_name="sides", db_index=False
    )
    # "Primary" or "Recovery": the site, whatever the direction of replication.
    location = models.CharField(max_length=8)
    observed_at = models.DateTimeField()
    # Names of VMReplicationMode and VMReplicationState.
    mode = models.CharField(max_length=32)
    state = models.CharField(max_length=64)
    # The wire's ReplicationState without recovery points, serialized.
    observed = models.BinaryField()
    last_replicated_at = models.DateTimeField(null=True)
    # Digest of all that the item's health and host depend on.
    signature = models.BinaryField()
    # Digest of the recovery points; empty before any were told.
    points_digest = models.BinaryField(default=b"")
    # Longest that the replica fell behind within one span of RPO history (its number since 1970,
    # in spans), and within the span before that one.
    rpo_span = models.BigIntegerField()
    rpo_peak_seconds = models.IntegerField(null=True)
    rpo_before_seconds = models.IntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "location"], name="replication_side_unique")
        ]

    def __str__(self) -> str:
        return f"{self.location} of {self.item_id}"

    def wire(self) -> replication_pb2.ReplicationState:
        """As the provider said it."""
        return replication_pb2.ReplicationState.FromString(bytes(self.observed))

    def as_json(self) -> dict[str, object]:
        """As JSON, by the wire's field names; fields without presence are always there."""
        seen: dict[str, object] = json_format.MessageToDict(
            self.wire(),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        del seen["recovery_points"]
        return seen


class RpoHistory(models.Model):
    """The worst RPO of an item in each span of an hour, or in each hour of a day.

    A row holds a whole hour or day: a row for each value would be ten times the size.
    """

    pk = models.CompositePrimaryKey("item_id", "span_seconds", "start")
    item = models.ForeignKey(
        ProtectedItem, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # Of each value: 300 (the row is an hour) or 3600 (the row is a day).
    span_seconds = models.PositiveSmallIntegerField()
    start = models.DateTimeField()
    # Seconds; null where nothing is known or nothing replicated.
    peaks = ArrayField(models.IntegerField(null=True))

    class Meta:
        indexes = [models.Index(fields=["span_seconds", "start"], name="rpo_history_age")]

    def __str__(self) -> str:
        return f"RPO of {self.item_id} from {self.start}"
