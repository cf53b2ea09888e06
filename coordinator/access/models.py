"""Tables of the access domain."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from coordinator.vaults.models import Vault


class ServicePrincipal(models.Model):
    """A program that may ask for tokens: an OAuth 2.0 client of one tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_id = models.UUIDField()
    application = models.OneToOneField(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    display_name = models.CharField(max_length=200)
    # The one subscription it can have roles in.
    subscription_id = models.UUIDField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.display_name


class ClientSecret(models.Model):
    """One of a program's secrets: it has two while it changes from one to the next."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    principal = models.ForeignKey(
        ServicePrincipal, on_delete=models.CASCADE, related_name="client_secrets"
    )
    # client_secrets.hash_secret's form.
    secret_hash = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"client secret {self.id}"


class Person(models.Model):
    """Somebody who signs in: a Django user, with what ARM wants to know of one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="person"
    )
    tenant_id = models.UUIDField()
    # The one subscription it can have roles in.
    subscription_id = models.UUIDField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"person {self.id}"


class WrongGuesses(models.Model):
    """Wrong secrets somebody gave of late; in the database, for a lock outlives every process."""

    # guessing.Subject
    subject = models.CharField(max_length=16)
    # A digest: what people type as a name may be long, or be their password.
    who = models.CharField(max_length=64)
    count = models.PositiveIntegerField()
    since = models.DateTimeField(db_index=True)
    locked_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "who"], name="guesses_counted_once")
        ]

    def __str__(self) -> str:
        return f"wrong guesses of {self.subject}"


class RoleAssignment(models.Model):
    """A role that a program or person has: in a vault, a resource group or a subscription."""

    # The client names it; names of assignments are GUIDs.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    principal_id = models.UUIDField()
    # ServicePrincipal or User, as ARM says.
    principal_type = models.CharField(max_length=16)
    # Of role_definitions.ROLES, which are data of the program, not rows.
    role_id = models.UUIDField()
    subscription_id = models.UUIDField()
    # In small letters; "" with a vault, and for the whole subscription.
    resource_group = models.CharField(max_length=90, default="")
    # A vault made anew under the name of a deleted one has no roles of that one.
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["principal_id", "role_id", "subscription_id", "resource_group", "vault"],
                nulls_distinct=False,
                name="role_assigned_once",
            )
        ]
        indexes = [models.Index(fields=["subscription_id"], name="role_assignment_subscription")]

    def __str__(self) -> str:
        return f"role assignment {self.id}"
