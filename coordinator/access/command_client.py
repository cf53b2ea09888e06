"""The OAuth 2.0 client that stands for the operator's command, which people sign in through."""

from __future__ import annotations

from oauth2_provider.models import Application

CLIENT_ID = "osr"
# The command listens on a port of its own choice (RFC 8252); code and PKCE, no secret.
REDIRECT_URIS = "http://127.0.0.1/callback http://[::1]/callback"


def ensure_command_client() -> None:
    """Makes the client, or brings it up to date.

    Idempotent.
    """
    Application.objects.update_or_create(
        client_id=CLIENT_ID,
        defaults={
            "name": "osr",
            "client_type": Application.CLIENT_PUBLIC,
            "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
            "client_secret": "",
            "redirect_uris": REDIRECT_URIS,
            # Whoever starts the command wants it to act; there is nobody else to ask.
            "skip_authorization": True,
        },
    )
