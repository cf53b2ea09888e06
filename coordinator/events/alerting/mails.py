"""What a mail looks like: grouped by what happened, what matters most first, in two languages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string

from coordinator.events.alerting.content import Content
from coordinator.events.alerting.rules import importance
from coordinator.events.states import Severity

# Objects of one group that are named.
MOST_NAMED = 20
ENGLISH, CHINESE = "en", "zh-hans"
# Of one group; machines of one lost server have few different ones.
MOST_CAUSES = 10


@dataclass(frozen=True)
class Group:
    """Events of one code, as the templates show them.

    Attributes:
        events: Those that are named.
        more: How many are not.
        causes: What may be behind them.
        action: What to do.
    """

    severity: str
    critical: bool
    title: str
    count: int
    events: Sequence[Content]
    more: int
    causes: Sequence[str]
    action: str


def language_of(locale: str) -> str:
    """The language of a locale, of those there are: Chinese for any Chinese, else English."""
    return CHINESE if locale.lower().replace("_", "-").split("-")[0] == "zh" else ENGLISH


def mail(told: Content, locale: str, sender: str, made: tuple[str, datetime]) -> EmailMessage:
    """The mail of one delivery, without its recipient.

    Args:
        told: What it tells, see `content`.
        locale: The reader's.
        sender: From whom it is.
        made: Its id, and when it is sent.
    """
    language = language_of(locale)
    groups = list(_groups(told["events"], language))
    facts = {
        "vault": told["vault"],
        "total": told["total"],
        "groups": groups,
        "more": told["total"] - len(told["events"]),
    }
    message = EmailMessage()
    words = _words(language)
    what = _summary(groups, told["total"]) if groups else words["test"]
    subject = words["subject"].format(vault=told["vault"]["name"], what=what)
    message["Subject"] = "".join(letter for letter in subject if letter.isprintable())
    message["From"] = sender
    message["Date"] = format_datetime(made[1])
    message["Message-ID"] = f"<{made[0]}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render_to_string(f"alerts/mail.{language}.txt", facts))
    html = render_to_string(f"alerts/mail.{language}.html", facts)
    message.add_alternative(html, subtype="html")
    return message


def _summary(groups: Sequence[Group], total: int) -> str:
    """The first group, which matters most, and how much else there is."""
    first = groups[0]
    names = ", ".join(str(event["affectedObjectFriendlyName"]) for event in first.events[:3])
    others = f" (+{total - min(first.count, 3)})" if total > min(first.count, 3) else ""
    return f"{first.title}: {names}{others}"


def _groups(events: Sequence[Content], language: str) -> Iterator[Group]:
    by_code: dict[tuple[str, str], list[Content]] = {}
    for event in events:
        by_code.setdefault((event["severity"], event["eventCode"]), []).append(event)
    for (severity, code), members in sorted(by_code.items(), key=_rank):
        words = _words_of(code, members, language)
        yield Group(
            severity=_words(language)["severities"].get(severity, severity),
            critical=severity == Severity.CRITICAL,
            title=words["title"],
            count=len(members),
            events=members[:MOST_NAMED],
            more=max(0, len(members) - MOST_NAMED),
            causes=words["causes"],
            action=words["action"],
        )


def _rank(group: tuple[tuple[str, str], list[Content]]) -> tuple[tuple[int, int], str]:
    (severity, code), members = group
    return importance(members[0]["eventType"], severity), code


def _words_of(code: str, members: Sequence[Content], language: str) -> Mapping[str, Any]:
    """Title, causes and action of a group: of its code, where the language has words for it.

    The sentences that name the objects are the events' own, in English in every language.
    """
    causes = dict.fromkeys(str(each) for one in members for each in one["possibleCauses"])
    actions = dict.fromkeys(str(one["recommendedAction"]) for one in members[:3])
    own = {"title": code, "causes": list(causes)[:MOST_CAUSES], "action": "\n".join(actions)}
    return {**own, **_words(language)["events"].get(code, {})}


@cache
def _words(language: str) -> Mapping[str, Any]:
    text = (Path(__file__).parent / f"words.{language}.json").read_text(encoding="utf-8")
    words: Mapping[str, Any] = json.loads(text)
    return words
