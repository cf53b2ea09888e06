"""What is told to whom, and when it is tried again: pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from coordinator.events.states import HEALTH_CHANGED, EventType, Severity
from coordinator.pauses import growing_pause

# A lost site is hundreds of events within a minute: a mail waits for what comes with the first.
GATHERING = timedelta(seconds=30)
# Between two mails about one vault to one address.
BETWEEN_MAILS = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
# With these pauses about a day: a mail server may be away for a night.
MOST_ATTEMPTS = 30
SEVERITIES: Sequence[str] = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
TYPES: Sequence[str] = (
    EventType.SERVER_HEALTH,
    EventType.AGENT_HEALTH,
    EventType.JOB_STATUS,
    EventType.VM_HEALTH,
)
MANY = frozenset({HEALTH_CHANGED, "JobFailed"})


def is_mailed(severity: str, code: str) -> bool:
    """Whether people are woken for an event.

    ASR sends mails when a machine's replication is critical, a server is lost, a failover failed.
    Mails tell of warnings, too, but of the kinds that are many: a machine whose replication needs
    attention, and no more; a job that failed and was no failover.
    """
    if severity == Severity.CRITICAL:
        return True
    return severity == Severity.WARNING and code not in MANY


def importance(event_type: str, severity: str) -> tuple[int, int]:
    """Sorts events: the smallest first. A lost server is why its machines ail."""
    return _place(severity, SEVERITIES), _place(event_type, TYPES)


def _place(word: str, words: Sequence[str]) -> int:
    return words.index(word) if word in words else len(words)


def is_posted(
    event_type: str, severity: str, types: Collection[str], severities: Collection[str]
) -> bool:
    """Whether a webhook wants an event.

    Args:
        event_type: The event's.
        severity: The event's.
        types: Those the webhook wants; empty: all.
        severities: Likewise.
    """
    return (not types or event_type in types) and (not severities or severity in severities)


def first_attempt(now: datetime, last_mail: datetime | None, between: timedelta) -> datetime:
    """When a mail is sent: not before what belongs to it has come, nor too soon after the last.

    Args:
        now: When its first event was told of.
        last_mail: When the last one was made for the same vault and address; None: never.
        between: How much time lies between two.
    """
    wanted = now + min(GATHERING, between)
    return wanted if last_mail is None else max(wanted, last_mail + between)


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When a delivery that failed is tried again; None when it is given up.

    Args:
        attempts: How many failed, with this one.
        now: When this one did.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return now + growing_pause(attempts, FIRST_PAUSE, LONGEST_PAUSE)
