"""The audit of signing in: people by Django's and allauth's signals, programs by tokens."""

from __future__ import annotations

import json
from typing import Any

from allauth.account.signals import password_changed
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from coordinator.access.services import Caller, authenticate_bearer, person_of_user
from coordinator.api.auditing import (
    SIGN_IN,
    TOKEN,
    RefusedSignIn,
    mark_refused_sign_in,
    record_of,
)

SIGN_OUT = "OpenSiteRecovery/people/signOut/action"
CHANGE_PASSWORD = "OpenSiteRecovery/people/changePassword/action"  # noqa: S105 - an action's name


def record_token(request: HttpRequest, response: HttpResponse) -> None:
    """Records that a token was given, in the transaction that makes it."""
    token = str(json.loads(response.content)["access_token"])
    caller = authenticate_bearer(f"Bearer {token}", timezone.now())
    if caller is not None:
        record_of(request, caller, TOKEN)


def connect() -> None:
    """Has people's signing in recorded from now on.

    Idempotent.
    """
    user_logged_in.connect(_signed_in, dispatch_uid="audit")
    user_logged_out.connect(_signed_out, dispatch_uid="audit")
    user_login_failed.connect(_not_signed_in, dispatch_uid="audit")
    password_changed.connect(_password_changed, dispatch_uid="audit")


def _signed_in(request: HttpRequest | None, user: Any, **_more: object) -> None:
    _record(request, user, SIGN_IN)


def _signed_out(request: HttpRequest | None, user: Any, **_more: object) -> None:
    _record(request, user, SIGN_OUT)


def _password_changed(request: HttpRequest, user: Any, **_more: object) -> None:
    _record(request, user, CHANGE_PASSWORD)


def _record(request: HttpRequest | None, user: Any, action: str) -> None:
    caller = _caller(user)
    if request is not None and caller is not None:
        record_of(request, caller, action)


def _not_signed_in(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_more: object
) -> None:
    if request is None:
        return
    # What was typed as a name may be a password: it is kept only when it is somebody's name.
    given = str(credentials.get("username") or credentials.get("email") or "")
    known = User.objects.filter(username__iexact=given).first() if given else None
    claimed = known.get_username() if known is not None else ""
    mark_refused_sign_in(request, RefusedSignIn(claimed))


def _caller(user: Any) -> Caller | None:
    person = person_of_user(user.pk) if user is not None else None
    if person is None:
        return None
    return Caller(
        person.id, person.tenant_id, person.subscription_id, str(user.get_username()), "User"
    )
