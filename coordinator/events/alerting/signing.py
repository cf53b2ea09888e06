"""How requests to webhooks are signed: as Standard Webhooks describes it.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from coordinator.secret import Secret

PREFIX = "whsec_"
SECRET_BYTES = 32
# For so long after a change requests are signed with both secrets.
OVERLAP = timedelta(hours=24)


def new_secret() -> Secret:
    """A secret, as receivers' libraries read it."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii"))


def signature(secret: Secret, delivery_id: UUID, sent_at: datetime, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, in base64, after the version of the scheme.

    Args:
        secret: The webhook's, with its prefix.
        delivery_id: The value of webhook-id.
        sent_at: The value of webhook-timestamp.
        body: The request's body, byte for byte.
    """
    key = base64.b64decode(secret.reveal().removeprefix(PREFIX))
    signed = f"{delivery_id}.{_seconds(sent_at)}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")


def headers(
    keys: Sequence[Secret], delivery_id: UUID, sent_at: datetime, body: bytes
) -> dict[str, str]:
    """What a request carries so that its receiver knows who sent it, when, and whether again.

    Args:
        keys: The webhook's secret, and during a change the former one.
        delivery_id: Equal in every attempt of one delivery.
        sent_at: Of this attempt: receivers refuse old ones.
        body: The request's body.
    """
    signatures = [signature(secret, delivery_id, sent_at, body) for secret in keys]
    return {
        "webhook-id": str(delivery_id),
        "webhook-timestamp": str(_seconds(sent_at)),
        "webhook-signature": " ".join(signatures),
    }


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
