"""Tables of the access domain."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class ServicePrincipal(models.Model):
    """A program that may ask for tokens: an OAuth 2.0 client of one tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_id = models.UUIDField()
    application = models.OneToOneField(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    display_name = models.CharField(max_length=200)
    # What it may do everything in; roles per vault come on top.
    subscription_id = models.UUIDField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.display_name
