"""Alerts by e-mail, through a real SMTP server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import transaction
from structlog.testing import capture_logs

from coordinator.config.stack import free_port
from coordinator.events.alerting.addresses import WebhookRules
from coordinator.events.alerting.delivering import Sending, deliver, prune_deliveries
from coordinator.events.alerting.mail_server import MailServer, Security
from coordinator.events.alerting.rules import MOST_ATTEMPTS
from coordinator.events.alerting.sealing import Seal
from coordinator.events.alerting.services import redeliver, set_alerts
from coordinator.events.alerting.telling import Telling, recipients_of, tell
from coordinator.events.models import AlertDelivery, AlertSetting
from coordinator.events.services import EventDraft, note_event, raise_event, raise_events
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure, RefusedError
from coordinator.secret import Secret
from coordinator.vaults.models import Vault
from tests.integration.events.receivers import (
    PASSWORD,
    USER,
    MailBox,
    mail_server,
    server_context,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
OPERATIONS, OWNER = "operations@example.com", "li.wei@example.com"
HALF_MINUTE = timedelta(seconds=30)

pytestmark = [pytest.mark.django_db, pytest.mark.spec("EV-2")]


@pytest.fixture
def vault() -> Vault:
    vault = Vault.objects.create(
        subscription_id=uuid4(), resource_group="g", name="Vault-1", location="", created_at=NOW
    )
    set_alerts(vault, [OPERATIONS], "en-US", send_to_owners=False)
    return vault


@pytest.fixture
def box() -> MailBox:
    return MailBox()


@pytest.fixture
def port(box: MailBox, tmp_path: Path) -> Iterator[int]:
    with mail_server(box, tmp_path / "ca") as port:
        yield port


@pytest.fixture
def telling() -> Telling:
    return Telling(owners_of=lambda _vault: [OWNER], mails=True)


def sending(port: int, tmp_path: Path, **others: object) -> Sending:
    server_context(tmp_path / "ca")
    server = MailServer(
        host="localhost",
        port=port,
        security=Security.STARTTLS,
        sender="osr@example.com",
        user=USER,
        password=Secret(PASSWORD),
        ca_file=str(tmp_path / "ca/ca.pem"),
    )
    return Sending(Seal(bytes(32)), WebhookRules(), replace(server, **others))  # type: ignore[arg-type] # its fields


@pytest.fixture
def mailing(port: int, tmp_path: Path) -> Sending:
    return sending(port, tmp_path)


def machine(vault: Vault, number: int) -> EventDraft:
    return EventDraft(
        vault_id=vault.id,
        type=EventType.VM_HEALTH,
        severity=Severity.CRITICAL,
        code="SRSVMHealthChanged",
        failure=Failure("HVR1", f"VM-{number} is critical.", ("The host is down.",), "Look."),
        affected_type="ProtectionEntity",
        affected_id=f"item-{number}",
        affected_name=f"VM-{number}",
        key=f"health:{number}",
    )


def server(vault: Vault) -> EventDraft:
    return EventDraft(
        vault_id=vault.id,
        type=EventType.SERVER_HEALTH,
        severity=Severity.CRITICAL,
        failure=Failure("25018", "VMM-1 is not connected.", ("The site is down.",), "Fail over."),
        affected_type="Server",
        affected_id="fabric",
        affected_name="VMM-1",
        key="server-lost:1",
    )


def test_a_lost_site_with_2000_machines_is_one_mail(
    vault: Vault, telling: Telling, mailing: Sending, box: MailBox
) -> None:
    at = NOW
    for start in range(0, 2000, 200):
        raise_events([machine(vault, number) for number in range(start, start + 200)], at)
        assert tell(telling, at) == 200
        assert deliver(mailing, at) == 0
        at += timedelta(seconds=2)
    raise_event(server(vault), at)
    tell(telling, at)
    assert deliver(mailing, NOW + HALF_MINUTE) == 1
    [mail] = box.of(OPERATIONS)
    assert "Server not connected: VMM-1 (+2000)" in mail["Subject"]
    assert tell(telling, at) == 0
    assert deliver(mailing, NOW + timedelta(hours=1)) == 0
    [delivery] = AlertDelivery.objects.all()
    assert (delivery.state, delivery.attempts) == ("Delivered", 1)
    assert delivery.content == {"kind": "EventsRaised", "total": 2001}


def test_what_comes_after_a_mail_waits_for_the_next(
    vault: Vault, telling: Telling, mailing: Sending, box: MailBox
) -> None:
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    sent = NOW + HALF_MINUTE
    assert deliver(mailing, sent) == 1
    for number, seconds in enumerate((40, 100, 200)):
        at = NOW + timedelta(seconds=seconds)
        raise_event(machine(vault, number), at)
        tell(telling, at)
        assert deliver(mailing, at) == 0
    assert deliver(mailing, sent + timedelta(minutes=5)) == 1
    assert len(box.of(OPERATIONS)) == 2
    text = box.of(OPERATIONS)[1].get_body(("plain",))
    assert text is not None
    assert all(f"VM-{number}" in text.get_content() for number in range(3))


def test_owners_get_it_too_each_once_and_in_the_language_of_the_setting(
    vault: Vault, telling: Telling, mailing: Sending, box: MailBox
) -> None:
    set_alerts(vault, [OPERATIONS, OWNER.upper()], "zh-CN", send_to_owners=True)
    assert recipients_of(vault, telling.owners_of) == [OPERATIONS, OWNER]
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    assert deliver(mailing, NOW + HALF_MINUTE) == 2
    assert sorted(address for address, _ in box.mails) == sorted([OPERATIONS, OWNER])
    for address, mail in box.mails:
        assert mail["To"] == address
        html = mail.get_body(("html",))
        assert html is not None
        assert "建议的操作" in html.get_content()


def test_nobody_is_told_of_what_is_not_for_mails_nor_without_a_setting(
    vault: Vault, telling: Telling
) -> None:
    raise_event(replace(machine(vault, 1), severity=Severity.WARNING), NOW)
    note_event(replace(server(vault), code="JobFailed", severity=Severity.WARNING), NOW)
    assert tell(telling, NOW) == 2
    AlertSetting.objects.all().delete()
    raise_event(server(vault), NOW)
    assert tell(telling, NOW) == 1
    assert not AlertDelivery.objects.exists()


def test_without_a_mail_server_nothing_waits_for_one(vault: Vault, telling: Telling) -> None:
    raise_event(server(vault), NOW)
    assert tell(replace(telling, mails=False), NOW) == 1
    assert not AlertDelivery.objects.exists()


def test_a_mail_outlives_the_servers_failures_and_takes_later_events_along(
    vault: Vault, telling: Telling, box: MailBox, tmp_path: Path
) -> None:
    away = sending(free_port(), tmp_path)
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    at = NOW + HALF_MINUTE
    assert deliver(away, at) == 0
    delivery = AlertDelivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("Pending", 1)
    assert "refused" in delivery.problem
    assert delivery.next_attempt_at == at + HALF_MINUTE
    raise_event(machine(vault, 1), at)
    tell(telling, at)
    with mail_server(box, tmp_path / "ca") as port:
        mailing = sending(port, tmp_path)
        box.unwell = "451 try again later"
        assert deliver(mailing, at + HALF_MINUTE) == 0
        box.unwell = ""
        assert deliver(mailing, at + timedelta(minutes=1)) == 0
        assert deliver(mailing, at + timedelta(minutes=2)) == 1
    [mail] = box.of(OPERATIONS)
    assert "(+1)" in mail["Subject"]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.problem) == ("Delivered", 3, "")


def test_an_address_the_server_refuses_is_given_up_and_the_others_get_theirs(
    vault: Vault, telling: Telling, mailing: Sending, box: MailBox
) -> None:
    set_alerts(vault, [OWNER, OPERATIONS], "", send_to_owners=False)
    box.answers[OWNER] = "550 no such user"
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    at = NOW + HALF_MINUTE
    assert deliver(mailing, at) == 1
    dead = AlertDelivery.objects.get(address=OWNER)
    assert dead.state == "Dead"
    assert "550 no such user" in dead.problem
    assert len(box.of(OPERATIONS)) == 1
    del box.answers[OWNER]
    assert deliver(mailing, at + timedelta(days=1)) == 0
    redeliver(dead, at)
    assert deliver(mailing, at) == 1
    assert len(box.of(OWNER)) == 1
    with pytest.raises(RefusedError) as refused:
        redeliver(AlertDelivery.objects.get(address=OWNER), at)
    assert refused.value.failure.code == "DeliveryNotDead"


def test_a_mail_that_never_arrives_is_given_up_in_the_end(
    vault: Vault, telling: Telling, tmp_path: Path
) -> None:
    away = sending(free_port(), tmp_path)
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    at = NOW
    for _ in range(MOST_ATTEMPTS):
        at += timedelta(hours=1)
        deliver(away, at)
    delivery = AlertDelivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("Dead", MOST_ATTEMPTS)
    assert delivery.finished_at == at
    prune_deliveries(at + timedelta(days=13))
    assert AlertDelivery.objects.exists()
    prune_deliveries(at + timedelta(days=15))
    assert not AlertDelivery.objects.exists()


@contextmanager
def no_password_in_logs() -> Iterator[None]:
    with capture_logs() as lines:
        yield
    assert lines
    assert PASSWORD not in str(lines)


@pytest.mark.parametrize(
    "change",
    [
        {"password": Secret("wrong " + PASSWORD)},
        {"security": Security.NONE},
        {"ca_file": ""},
        {"host": "127.0.0.2"},
    ],
    ids=["password", "no TLS", "unknown authority", "other host"],
)
def test_a_server_that_is_not_the_one_gets_no_mail_and_the_log_no_password(
    vault: Vault,
    telling: Telling,
    port: int,
    tmp_path: Path,
    box: MailBox,
    change: dict[str, object],
) -> None:
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    with no_password_in_logs():
        assert deliver(sending(port, tmp_path, **change), NOW + HALF_MINUTE) == 0
    delivery = AlertDelivery.objects.get()
    assert delivery.state == "Pending"
    assert delivery.problem
    assert PASSWORD not in delivery.problem
    assert box.mails == []


def test_tls_from_the_first_byte(
    vault: Vault, telling: Telling, tmp_path: Path, box: MailBox
) -> None:
    raise_event(server(vault), NOW)
    tell(telling, NOW)
    with mail_server(box, tmp_path / "ca", starttls=False) as port:
        mailing = sending(port, tmp_path, security=Security.TLS, user="", password=None)
        assert deliver(mailing, NOW + HALF_MINUTE) == 1
    assert len(box.of(OPERATIONS)) == 1


def test_a_process_that_dies_after_sending_sends_the_same_mail_again(
    vault: Vault, telling: Telling, mailing: Sending, box: MailBox
) -> None:
    raise_event(server(vault), NOW)
    tell(telling, NOW)

    def die() -> None:
        with transaction.atomic():
            deliver(mailing, NOW + HALF_MINUTE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert deliver(mailing, NOW + HALF_MINUTE) == 1
    first, second = box.of(OPERATIONS)
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize(
    "change",
    [
        lambda vault: set_alerts(vault, ["nobody"], "", send_to_owners=False),
        lambda vault: set_alerts(vault, ["a@b.example, c@d.example"], "", send_to_owners=False),
        lambda vault: set_alerts(vault, ["a@b.example"] * 21, "", send_to_owners=False),
        lambda vault: set_alerts(vault, ["a" * 300 + "@b.example"], "", send_to_owners=False),
        lambda vault: set_alerts(vault, ["a@b.example\nBcc: c"], "", send_to_owners=False),
        lambda vault: set_alerts(vault, [], "../etc", send_to_owners=False),
    ],
)
def test_what_is_no_address_or_locale_is_refused(
    vault: Vault, change: Callable[[Vault], object]
) -> None:
    with pytest.raises(RefusedError) as refused:
        change(vault)
    assert refused.value.failure.code == "AlertSettingInvalid"
    assert AlertSetting.objects.get().addresses == [OPERATIONS]
