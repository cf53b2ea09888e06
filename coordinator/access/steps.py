"""What runs by itself in the access domain: what is over goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from django.contrib.sessions.models import Session
from oauth2_provider.models import AccessToken, Grant, RefreshToken

from coordinator.access.guesses import forget_old_guesses
from coordinator.access.models import ClientSecret

log = structlog.get_logger(__name__)

FORGET_TASK = "access.forget"
FORGET_PERIOD = timedelta(hours=6)
# A refresh token is good for so long after its access token was made (settings).
REFRESHABLE = timedelta(hours=12)


def forget(now: datetime) -> None:
    """Deletes sessions, tokens, codes, secrets and counts that are over.

    Idempotent.
    """
    Session.objects.filter(expire_date__lt=now).delete()
    Grant.objects.filter(expires__lt=now).delete()
    RefreshToken.objects.filter(created__lt=now - REFRESHABLE).delete()
    AccessToken.objects.filter(expires__lt=now, refresh_token=None).delete()
    ClientSecret.objects.filter(expires_at__lt=now).delete()
    forget_old_guesses(now)
    log.info("access.forgotten")


TASKS: Mapping[str, Callable[..., None]] = {FORGET_TASK: forget}

PERIODIC: Mapping[str, timedelta] = {FORGET_TASK: FORGET_PERIOD}
