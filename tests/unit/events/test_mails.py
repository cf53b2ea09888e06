"""What mails look like."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from coordinator.events.alerting.content import MOST_IN_A_MAIL, joined, most_important
from coordinator.events.alerting.mails import MOST_NAMED, language_of, mail

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
MADE = ("5f0c6a9e-8f5e-4f0e-9a3c-0c7f5b1d2e3f", NOW)
SENDER = "osr@example.com"

pytestmark = pytest.mark.spec("EV-2")


def event(name: str, code: str = "SRSVMHealthChanged", **others: Any) -> dict[str, Any]:
    return {
        "id": name,
        "eventType": "VmHealth",
        "severity": "Critical",
        "eventCode": code,
        "affectedObjectFriendlyName": name,
        "timeOfOccurrence": "2026-07-01T12:00:00Z",
        "message": f"The replication of {name} is critical.",
        "possibleCauses": ["The host is down."],
        "recommendedAction": "Look at the host.",
        **others,
    }


SERVER = event(
    "VMM-Shanghai",
    "25018",
    eventType="ServerHealth",
    message="VMM-Shanghai is not connected.",
    possibleCauses=["The site is down."],
    recommendedAction="Fail its machines over.",
)


def told(*events: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    return {
        "kind": "EventsRaised",
        "vault": {"name": "Vault-1", "resourceGroup": "group-1", "subscriptionId": "s"},
        "total": len(events) if total is None else total,
        "events": list(events),
    }


def parts(message: EmailMessage) -> tuple[str, str]:
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


@pytest.mark.parametrize(
    ("locale", "language"),
    [("en-US", "en"), ("zh-CN", "zh-hans"), ("zh_Hans", "zh-hans"), ("de-DE", "en"), ("", "en")],
)
def test_chinese_for_the_chinese_and_english_for_all_others(locale: str, language: str) -> None:
    assert language_of(locale) == language


def test_a_mail_says_what_is_wrong_why_and_what_to_do() -> None:
    message = mail(told(event("SQL1"), SERVER), "en-US", SENDER, MADE)
    assert message["Subject"] == (
        "[Open Site Recovery] Vault-1: Server not connected: VMM-Shanghai (+1)"
    )
    assert message["Message-ID"] == f"<{MADE[0]}@example.com>"
    for body in parts(message):
        for words in (
            "VMM-Shanghai is not connected.",
            "The site is down.",
            "Fail its machines over.",
            "SQL1",
            "The host is down.",
            "Look at the host.",
        ):
            assert words in body
        assert body.index("Fail its machines over.") < body.index("SQL1")


def test_the_same_in_chinese() -> None:
    message = mail(told(SERVER), "zh-CN", SENDER, MADE)
    assert "服务器失去连接" in message["Subject"]
    for body in parts(message):
        assert "可能的原因" in body
        assert "站点已停机" in body
        assert "非计划的故障转移" in body
        assert "VMM-Shanghai is not connected." in body
        assert "Possible causes" not in body


def test_an_event_of_a_kind_without_words_keeps_its_own() -> None:
    text, _ = parts(mail(told(event("SQL1", "SomethingNew")), "zh-CN", SENDER, MADE))
    assert "SomethingNew" in text
    assert "Look at the host." in text


def test_of_many_machines_some_are_named_and_all_are_counted() -> None:
    machines = [event(f"VM-{number:04}") for number in range(2000)]
    listed = most_important([*machines, SERVER])
    message = mail(told(*listed, total=2001), "en-US", SENDER, MADE)
    text, _ = parts(message)
    assert text.count("\n- VM-") == MOST_NAMED
    assert f"... and {MOST_IN_A_MAIL - 1 - MOST_NAMED} more." in text
    assert f"{2001 - MOST_IN_A_MAIL} further events" in text
    assert len(message.as_bytes()) < 100_000


def test_what_is_critical_is_listed_when_not_all_can_be() -> None:
    warnings = [event(f"VM-{number}", severity="Warning") for number in range(MOST_IN_A_MAIL)]
    both = joined(told(*warnings), told(SERVER))
    assert both["total"] == MOST_IN_A_MAIL + 1
    assert both["events"][0] == SERVER
    assert len(both["events"]) == MOST_IN_A_MAIL


def test_a_machines_name_is_no_html_and_a_vaults_name_no_header() -> None:
    evil = told(event("<script>alert(1)</script>"))
    evil["vault"]["name"] = "Vault\r\nBcc: everybody@example.com"
    message = mail(evil, "en-US", SENDER, MADE)
    _, html = parts(message)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert message["Bcc"] is None


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_test_says_that_it_is_one(locale: str) -> None:
    message = mail({**told(), "kind": "Test"}, locale, SENDER, MADE)
    for body in parts(message):
        assert "This is a test" in body or "测试邮件" in body
