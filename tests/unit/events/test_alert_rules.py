"""What is told, when it is tried again, how it is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from coordinator.events.alerting.rules import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    first_attempt,
    is_mailed,
    is_posted,
    next_attempt,
)
from coordinator.events.alerting.signing import headers, new_secret
from coordinator.secret import Secret

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
DELIVERY = UUID("5f0c6a9e-8f5e-4f0e-9a3c-0c7f5b1d2e3f")
BETWEEN = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("severity", "code", "mailed"),
    [
        ("Critical", "SRSVMHealthChanged", True),
        ("Critical", "JobFailed", True),
        ("Critical", "25018", True),
        ("Warning", "ManualActionOverdue", True),
        ("Warning", "SRSVMHealthChanged", False),
        ("Warning", "JobFailed", False),
        ("Info", "Anything", False),
    ],
)
def test_people_are_sent_mail_of_what_cannot_wait(
    severity: str, code: str, *, mailed: bool
) -> None:
    assert is_mailed(severity, code) is mailed


def test_a_webhook_without_filters_wants_everything() -> None:
    assert is_posted("VmHealth", "Info", [], [])
    assert is_posted("VmHealth", "Info", ["VmHealth"], ["Info", "Warning"])
    assert not is_posted("VmHealth", "Info", ["JobStatus"], [])
    assert not is_posted("VmHealth", "Info", [], ["Critical"])


def test_the_first_mail_waits_for_what_comes_with_it_and_the_next_for_its_turn() -> None:
    assert first_attempt(NOW, None, BETWEEN) == NOW + timedelta(seconds=30)
    minute_ago = NOW - timedelta(minutes=1)
    assert first_attempt(NOW, minute_ago, BETWEEN) == NOW + timedelta(minutes=4)
    assert first_attempt(NOW, NOW - timedelta(days=1), BETWEEN) == NOW + timedelta(seconds=30)
    assert first_attempt(NOW, None, timedelta(0)) == NOW


def test_a_delivery_is_tried_for_about_a_day_and_then_given_up() -> None:
    at, pauses = NOW, []
    for attempts in range(1, MOST_ATTEMPTS):
        following = next_attempt(attempts, at)
        assert following is not None
        pauses.append(following - at)
        at = following
    assert next_attempt(MOST_ATTEMPTS, at) is None
    assert pauses[0] == FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert max(pauses) == LONGEST_PAUSE
    assert timedelta(hours=20) < at - NOW < timedelta(hours=30)


@pytest.mark.spec("EV-2")
def test_a_receiver_can_check_who_sent_a_request_and_when() -> None:
    secret, body = new_secret(), b'{"kind": "Test"}'
    sent = headers([secret], DELIVERY, NOW, body)
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert sent["webhook-signature"] == f"v1,{expected}"
    assert sent["webhook-id"] == str(DELIVERY)
    assert int(sent["webhook-timestamp"]) == NOW.timestamp()
    for other in (
        headers([secret], DELIVERY, NOW + timedelta(seconds=1), body),
        headers([secret], DELIVERY, NOW, body + b" "),
        headers([secret], UUID(int=1), NOW, body),
        headers([new_secret()], DELIVERY, NOW, body),
    ):
        assert other["webhook-signature"] != sent["webhook-signature"]


def test_while_the_secret_changes_requests_carry_two_signatures() -> None:
    old, new = new_secret(), new_secret()
    both = headers([new, old], DELIVERY, NOW, b"{}")["webhook-signature"].split(" ")
    alone = [headers([each], DELIVERY, NOW, b"{}")["webhook-signature"] for each in (new, old)]
    assert both == alone


def test_a_secret_does_not_print() -> None:
    secret = new_secret()
    assert isinstance(secret, Secret)
    assert secret.reveal() not in f"{secret} {secret!r}"
