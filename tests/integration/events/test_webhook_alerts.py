"""Webhooks, to a real HTTP server on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from coordinator.config.stack import free_port
from coordinator.events.alerting.addresses import WebhookRules, read_networks
from coordinator.events.alerting.delivering import Sending, deliver
from coordinator.events.alerting.rules import MOST_ATTEMPTS
from coordinator.events.alerting.sealing import Seal, SealBrokenError, ensure_seal
from coordinator.events.alerting.services import (
    MOST_WEBHOOKS,
    WebhookDraft,
    delete_webhook,
    put_webhook,
    redeliver,
    rotate_secret,
    try_webhook,
)
from coordinator.events.alerting.telling import Telling, tell
from coordinator.events.models import AlertDelivery, Webhook
from coordinator.events.services import EventDraft, clear_event, raise_event, raise_events
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure, ProviderError, RefusedError
from coordinator.secret import Secret
from coordinator.vaults.models import Vault
from tests.integration.events.receivers import Receiver, server_context, webhook_receiver

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LOOPBACK = WebhookRules(read_networks("127.0.0.0/8, ::1/128"))
SEAL = Seal(bytes(range(32)))
TELLING = Telling(owners_of=lambda _vault: [], mails=False)
SENDING = Sending(SEAL, LOOPBACK)

pytestmark = [pytest.mark.django_db, pytest.mark.spec("EV-2")]


@pytest.fixture
def vault() -> Vault:
    return Vault.objects.create(
        subscription_id=uuid4(), resource_group="g", name="Vault-1", location="", created_at=NOW
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as running:
        yield running


def make(
    vault: Vault, url: str, name: str = "pager", **others: object
) -> tuple[Webhook, Secret | None]:
    draft = replace(WebhookDraft(url), **others)  # type: ignore[arg-type] # its fields
    return put_webhook(vault, name, draft, (SEAL, LOOPBACK), "tests", NOW)


def draft(vault: Vault, number: int = 1) -> EventDraft:
    return EventDraft(
        vault_id=vault.id,
        type=EventType.VM_HEALTH,
        severity=Severity.CRITICAL,
        code="SRSVMHealthChanged",
        failure=Failure(
            "HVR1",
            f"VM-{number} 很糟",
            ("The host is down.",),
            "Look.",
            ProviderError("Secret,Id", "NotSpecified", "what PowerShell wrote"),
        ),
        affected_type="ProtectionEntity",
        affected_id=f"item-{number}",
        affected_name=f"VM-{number}",
        key=f"health:{number}",
    )


def signed_by(secret: Secret, headers: dict[str, str], body: bytes) -> bool:
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split(" ")


def test_an_event_is_posted_signed_when_it_is_raised_and_when_it_is_over(
    vault: Vault, receiver: Receiver
) -> None:
    _, secret = make(vault, receiver.url)
    assert secret is not None
    event = raise_event(draft(vault), NOW)
    assert tell(TELLING, NOW) == 1
    assert deliver(SENDING, NOW) == 1
    clear_event(vault.id, event.key, NOW + timedelta(minutes=1))
    assert tell(TELLING, NOW + timedelta(minutes=1)) == 1
    assert deliver(SENDING, NOW + timedelta(minutes=1)) == 1
    (headers, body), (_, second) = receiver.requests
    assert signed_by(secret, headers, body)
    assert headers["content-type"] == "application/json; charset=utf-8"
    told, over = json.loads(body), json.loads(second)
    assert told["id"] == headers["webhook-id"]
    assert (told["kind"], over["kind"]) == ("EventsRaised", "EventsCleared")
    assert told["vault"]["name"] == "Vault-1"
    [fact] = told["events"]
    assert fact["message"] == "VM-1 很糟"
    assert fact["possibleCauses"] == ["The host is down."]
    assert fact["recommendedAction"] == "Look."
    assert fact["timeOfClearing"] is None
    assert over["events"][0]["id"] == fact["id"]
    assert over["events"][0]["timeOfClearing"] == "2026-07-01T12:01:00Z"
    assert "PowerShell" not in body.decode()


def test_2000_events_are_a_few_requests(vault: Vault, receiver: Receiver) -> None:
    make(vault, receiver.url)
    raise_events([draft(vault, number) for number in range(2000)], NOW)
    tell(TELLING, NOW)
    assert deliver(SENDING, NOW) == 20
    ids = {event["id"] for _, body in receiver.requests for event in json.loads(body)["events"]}
    assert len(ids) == 2000


def test_what_fails_is_tried_again_under_the_same_id_with_growing_pauses(
    vault: Vault, receiver: Receiver
) -> None:
    make(vault, receiver.url)
    raise_event(draft(vault), NOW)
    tell(TELLING, NOW)
    receiver.answer = lambda _path: (500, {})
    at = NOW
    for pause in (30, 60, 120):
        assert deliver(SENDING, at) == 0
        assert deliver(SENDING, at + timedelta(seconds=pause - 1)) == 0
        at += timedelta(seconds=pause)
    receiver.answer = lambda _path: (202, {})
    assert deliver(SENDING, at) == 1
    assert len(receiver.requests) == 4
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.requests}) == 4
    delivery = AlertDelivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("Delivered", 4)


def test_what_never_arrives_is_given_up_and_delivered_when_somebody_asks(
    vault: Vault, receiver: Receiver
) -> None:
    make(vault, receiver.url)
    raise_event(draft(vault), NOW)
    tell(TELLING, NOW)
    receiver.answer = lambda _path: (404, {})
    at = NOW
    for _ in range(MOST_ATTEMPTS + 5):
        deliver(SENDING, at)
        at += timedelta(hours=1)
    dead = AlertDelivery.objects.get()
    assert (dead.state, dead.attempts) == ("Dead", MOST_ATTEMPTS)
    assert "404" in dead.problem
    assert len(receiver.requests) == MOST_ATTEMPTS
    receiver.answer = lambda _path: (200, {})
    redeliver(dead, at)
    assert deliver(SENDING, at) == 1
    assert json.loads(receiver.requests[-1][1])["events"][0]["affectedObjectFriendlyName"] == "VM-1"


def test_a_receiver_that_wants_no_more_is_believed(vault: Vault, receiver: Receiver) -> None:
    make(vault, receiver.url)
    raise_event(draft(vault), NOW)
    tell(TELLING, NOW)
    receiver.answer = lambda _path: (410, {})
    deliver(SENDING, NOW)
    assert AlertDelivery.objects.get().state == "Dead"


def test_a_redirect_is_not_followed(vault: Vault, receiver: Receiver) -> None:
    make(vault, receiver.url)
    raise_event(draft(vault), NOW)
    tell(TELLING, NOW)
    receiver.answer = lambda _path: (307, {"Location": receiver.url + "/elsewhere"})
    assert deliver(SENDING, NOW) == 0
    assert len(receiver.requests) == 1
    assert "307" in AlertDelivery.objects.get().problem


def test_one_receiver_that_is_away_holds_up_no_other(vault: Vault, receiver: Receiver) -> None:
    make(vault, f"http://127.0.0.1:{free_port()}/", "away")
    make(vault, receiver.url, "here")
    raise_events([draft(vault, number) for number in range(250)], NOW)
    tell(TELLING, NOW)
    assert deliver(SENDING, NOW) == 3
    away = AlertDelivery.objects.filter(webhook__name="away")
    assert {each.state for each in away} == {"Pending"}
    # Of a place that is not reached only the first is tried; the others wait for as long.
    assert {each.next_attempt_at for each in away} == {NOW + timedelta(seconds=30)}


def test_a_receiver_that_takes_its_time_gets_the_rest_the_next_time(
    vault: Vault, receiver: Receiver
) -> None:
    make(vault, receiver.url)
    raise_events([draft(vault, number) for number in range(500)], NOW)
    tell(TELLING, NOW)
    ticks = iter(range(0, 1000, 15))
    slow = replace(SENDING, monotonic=lambda: float(next(ticks)))
    for sent in (2, 2, 1):
        assert deliver(slow, NOW) == sent
    assert {each.attempts for each in AlertDelivery.objects.all()} == {1}
    assert len(receiver.requests) == 5


def test_a_webhook_gets_what_it_wants_and_nothing_while_it_is_disabled(
    vault: Vault, receiver: Receiver
) -> None:
    webhook, _ = make(vault, receiver.url, event_types=["ServerHealth"])
    raise_event(draft(vault), NOW)
    tell(TELLING, NOW)
    assert not AlertDelivery.objects.exists()
    make(vault, receiver.url, "PAGER", event_types=[], severities=["Critical"])
    assert Webhook.objects.get().id == webhook.id
    raise_event(draft(vault, 2), NOW)
    raise_event(replace(draft(vault, 3), severity=Severity.WARNING), NOW)
    tell(TELLING, NOW)
    make(vault, receiver.url, enabled=False)
    assert deliver(SENDING, NOW) == 0
    with pytest.raises(RefusedError):
        try_webhook(Webhook.objects.get(), NOW)
    make(vault, receiver.url, enabled=True)
    assert deliver(SENDING, NOW) == 1
    [(_, body)] = receiver.requests
    assert [event["affectedObjectFriendlyName"] for event in json.loads(body)["events"]] == ["VM-2"]


def test_a_test_is_posted(vault: Vault, receiver: Receiver) -> None:
    webhook, _ = make(vault, receiver.url)
    try_webhook(webhook, NOW)
    assert deliver(SENDING, NOW) == 1
    told = json.loads(receiver.requests[0][1])
    assert (told["kind"], told["events"]) == ("Test", [])


def test_while_a_secret_changes_both_sign_and_a_day_later_only_the_new_one(
    vault: Vault, receiver: Receiver
) -> None:
    webhook, old = make(vault, receiver.url)
    assert old is not None
    new = rotate_secret(webhook, SEAL, NOW)
    for at in (NOW, NOW + timedelta(hours=25)):
        try_webhook(webhook, at)
        assert deliver(SENDING, at) == 1
    (during, first), (after, second) = receiver.requests
    assert signed_by(new, during, first)
    assert signed_by(old, during, first)
    assert signed_by(new, after, second)
    assert not signed_by(old, after, second)


def test_a_secret_is_sealed_and_another_key_opens_it_not(vault: Vault, receiver: Receiver) -> None:
    webhook, secret = make(vault, receiver.url)
    assert secret is not None
    sealed = bytes(Webhook.objects.get().sealed_secret)
    assert secret.reveal().encode() not in sealed
    assert SEAL.open(sealed, webhook.id) == secret
    for seal, owner, text in (
        (Seal(bytes(32)), webhook.id, sealed),
        (SEAL, uuid4(), sealed),
        (SEAL, webhook.id, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (SEAL, webhook.id, b""),
    ):
        with pytest.raises(SealBrokenError):
            seal.open(text, owner)
    try_webhook(webhook, NOW)
    assert deliver(Sending(Seal(bytes(32)), LOOPBACK), NOW) == 0
    assert "rotate it" in AlertDelivery.objects.get().problem
    assert receiver.requests == []


def test_the_key_is_made_once_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    first = ensure_seal(tmp_path / "secrets")
    assert ensure_seal(tmp_path / "secrets") == first
    assert (tmp_path / "secrets/alerts.key").stat().st_mode & 0o777 == 0o600
    assert first.key.hex() not in repr(first)


def test_tls_is_checked_against_known_authorities(vault: Vault, tmp_path: Path) -> None:
    with webhook_receiver(server_context(tmp_path)) as receiver:
        webhook, _ = make(vault, receiver.url)
        try_webhook(webhook, NOW)
        assert deliver(SENDING, NOW) == 0
        assert "CERTIFICATE_VERIFY_FAILED" in AlertDelivery.objects.get().problem
        trusting = replace(SENDING, rules=replace(LOOPBACK, ca_file=str(tmp_path / "ca.pem")))
        assert deliver(trusting, NOW + timedelta(minutes=1)) == 1
        assert len(receiver.requests) == 1


def test_a_name_that_has_come_to_lead_inside_is_not_followed_there(
    vault: Vault, receiver: Receiver
) -> None:
    """What was public when the webhook was made may be repointed (DNS rebinding)."""
    webhook, _ = make(vault, "https://alerts.example.com/osr")
    inside = Sending(SEAL, WebhookRules(), find=lambda _host, _port: ["127.0.0.1"])
    metadata = Sending(SEAL, LOOPBACK, find=lambda _host, _port: ["169.254.169.254"])
    at = NOW
    for sending in (inside, metadata):
        try_webhook(webhook, at)
        assert deliver(sending, at) == 0
        newest = AlertDelivery.objects.order_by("-created_at").first()
        assert newest is not None
        assert "must not reach" in newest.problem
        at += timedelta(seconds=1)
    assert receiver.requests == []


def test_an_address_that_does_not_answer_is_passed_over(vault: Vault, tmp_path: Path) -> None:
    with webhook_receiver(server_context(tmp_path)) as receiver:
        webhook, _ = make(vault, receiver.url)
        try_webhook(webhook, NOW)
        trusting = replace(LOOPBACK, ca_file=str(tmp_path / "ca.pem"))
        # Nobody listens at the first.
        found = Sending(SEAL, trusting, find=lambda _host, _port: ["127.0.0.99", "127.0.0.1"])
        assert deliver(found, NOW) == 1
        assert len(receiver.requests) == 1


def test_deleting_a_webhook_ends_what_was_on_its_way(vault: Vault, receiver: Receiver) -> None:
    webhook, _ = make(vault, receiver.url)
    try_webhook(webhook, NOW)
    delete_webhook(webhook)
    assert deliver(SENDING, NOW) == 0
    assert receiver.requests == []


def test_a_webhook_of_another_vault_hears_nothing(vault: Vault, receiver: Receiver) -> None:
    other = Vault.objects.create(
        subscription_id=uuid4(), resource_group="g", name="Vault-2", location="", created_at=NOW
    )
    make(other, receiver.url)
    raise_event(draft(vault), NOW)
    tell(TELLING, NOW)
    assert not AlertDelivery.objects.exists()


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("a/b", {}, "WebhookInvalid"),
        ("", {}, "WebhookInvalid"),
        ("x" * 65, {}, "WebhookInvalid"),
        ("pager", {"event_types": ["Weather"]}, "WebhookInvalid"),
        ("pager", {"severities": ["Terrible"]}, "WebhookInvalid"),
        ("pager", {"url": "http://example.com/"}, "WebhookUrlInvalid"),
    ],
)
def test_what_cannot_be_a_webhook_is_refused(
    vault: Vault, name: str, change: dict[str, object], code: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        make(vault, **{"url": "https://example.com/", "name": name, **change})  # type: ignore[arg-type] # its fields
    assert refused.value.failure.code == code
    assert not Webhook.objects.exists()


def test_a_vault_has_so_many_webhooks_and_no_more(vault: Vault) -> None:
    for number in range(MOST_WEBHOOKS):
        make(vault, "https://example.com/", f"w{number}")
    with pytest.raises(RefusedError) as refused:
        make(vault, "https://example.com/", "another")
    assert refused.value.failure.code == "TooManyWebhooks"
    make(vault, "https://example.com/changed", "w0")
