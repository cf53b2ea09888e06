"""Tables of the vaults domain."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower


class Vault(models.Model):
    """A Recovery Services vault; everything else belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subscription_id = models.UUIDField()
    resource_group = models.CharField(max_length=90)
    name = models.CharField(max_length=50)
    location = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    # Azure Resource Manager's: value by name.
    tags = models.JSONField(default=dict)
    # Counts changes.
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "subscription_id", Lower("resource_group"), Lower("name"), name="vault_name_unique"
            )
        ]

    def __str__(self) -> str:
        return self.name


class RegistrationKey(models.Model):
    """A key file that was given out; the secret is kept as a hash only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="registration_keys")
    # SHA-256 of the secret; 32 random bytes need no slow hash.
    secret_hash = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    max_uses = models.PositiveIntegerField()
    uses = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"registration key {self.id}"
