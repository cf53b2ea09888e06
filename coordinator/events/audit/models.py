"""Tables of the audit; the database refuses to change or delete what is in them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from coordinator.events.audit.chain import GENESIS, Entry
from coordinator.events.audit.heads import Head


class AuditChain(models.Model):
    """A chain: of a vault, which it outlives, or of the installation.

    A trigger lets its numbers grow only, and never lets it go.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No foreign key: the chain stays when the vault goes. Null: the installation's.
    vault_id = models.UUIDField(null=True)
    # Subscription, resource group and name of the vault, for when it is gone.
    name = models.CharField(max_length=200)
    # The oldest record that was kept, and the hash before it.
    first_sequence = models.PositiveBigIntegerField(default=1)
    base_hash = models.BinaryField(max_length=32, default=GENESIS)
    # The head: number and hash of the last record, the public key and the signature.
    last_sequence = models.PositiveBigIntegerField(default=0)
    last_hash = models.BinaryField(max_length=32, default=GENESIS)
    key = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["vault_id"], nulls_distinct=False, name="audit_chain_once"
            )
        ]

    def __str__(self) -> str:
        return f"audit of {self.name}"

    @property
    def head(self) -> Head:
        """Where the chain ends."""
        return Head(
            self.id,
            self.last_sequence,
            bytes(self.last_hash),
            bytes(self.key),
            bytes(self.signature),
        )

    def end_at(self, head: Head) -> None:
        """Takes over a head; `save` is the caller's."""
        self.last_sequence, self.last_hash = head.sequence, head.hash
        self.key, self.signature = head.key, head.signature


class AuditRecord(models.Model):
    """A record of a chain; its columns are what is hashed (`audit.chain.as_fields`).

    A trigger refuses to change it, and to delete it unless the chain was cut behind it.
    """

    pk = models.CompositePrimaryKey("chain_id", "sequence")
    chain = models.ForeignKey(AuditChain, on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    action = models.CharField(max_length=300)
    outcome = models.CharField(max_length=16)
    principal_id = models.CharField(max_length=64)
    principal_type = models.CharField(max_length=32)
    principal_name = models.CharField(max_length=255)
    address = models.CharField(max_length=64)
    resource = models.TextField()
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=128)
    activity_id = models.CharField(max_length=64)
    correlation_id = models.CharField(max_length=64)
    client_request_id = models.CharField(max_length=64)
    job = models.CharField(max_length=64)
    body_hash = models.CharField(max_length=64)
    changed_fields = models.JSONField()
    details = models.JSONField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["chain", "at"], name="audit_record_time")]

    def __str__(self) -> str:
        return f"audit record {self.sequence}"

    @property
    def entry(self) -> Entry:
        """What the record tells."""
        return Entry(
            at=self.at,
            action=self.action,
            outcome=self.outcome,
            principal_id=self.principal_id,
            principal_type=self.principal_type,
            principal_name=self.principal_name,
            address=self.address,
            resource=self.resource,
            status=self.status,
            code=self.code,
            activity_id=self.activity_id,
            correlation_id=self.correlation_id,
            client_request_id=self.client_request_id,
            job=self.job,
            body_hash=self.body_hash,
            changed_fields=_names(self.changed_fields),
            details=_texts(self.details),
        )


def _names(value: object) -> tuple[str, ...]:
    """What a column of JSON holds; somebody may have made it something else."""
    return tuple(value) if isinstance(value, list) else (f"altered: {value}",)


def _texts(value: object) -> dict[str, str]:
    return value if isinstance(value, dict) else {"altered": str(value)}
