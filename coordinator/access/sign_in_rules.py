"""What django-allauth asks while somebody signs in: no sign-ups, locks, only invited people."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from typing_extensions import override

from coordinator.access.guesses import count_wrong_guess, locked_until, person_guessing

log = structlog.get_logger(__name__)


class AccountRules(DefaultAccountAdapter):  # type: ignore[misc] # allauth is not typed throughout
    """Passwords."""

    @override
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: people are made by an administrator."""
        return False

    @override
    def get_client_ip(self, request: HttpRequest) -> str:
        return str(request.META.get("REMOTE_ADDR", ""))

    @override
    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Looks at no password of an account or address that is locked."""
        now = timezone.now()
        until = locked_until(_guesser(request, credentials), now)
        if until is not None:
            response = render(request, "account/locked.html", status=429)
            response["Retry-After"] = str(int((until - now).total_seconds()) + 1)
            raise ImmediateHttpResponse(response)

    @override
    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        log.warning("sign_in.refused", address=self.get_client_ip(request))
        count_wrong_guess(_guesser(request, credentials), timezone.now())


class SingleSignOnRules(DefaultSocialAccountAdapter):  # type: ignore[misc] # as above
    """Another identity provider's word."""

    @override
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    @override
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Recognizes somebody who was invited by an e-mail address the provider has verified."""
        if sociallogin.is_existing:
            return
        for address in sociallogin.email_addresses:
            if not address.verified:
                continue
            user = User.objects.filter(email__iexact=address.email, person__isnull=False).first()
            if user is not None:
                sociallogin.connect(request, user)
                log.info("sign_in.connected", name=user.get_username())
                return
        log.warning("sign_in.stranger", provider=sociallogin.account.provider)
        response: HttpResponse = render(request, "account/unknown.html", status=403)
        raise ImmediateHttpResponse(response)


def _guesser(request: HttpRequest, credentials: dict[str, Any]) -> Any:
    name = str(credentials.get("username") or credentials.get("email") or "")
    return person_guessing(name, str(request.META.get("REMOTE_ADDR", "")))
