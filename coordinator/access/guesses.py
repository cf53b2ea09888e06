"""Wrong secrets that were given, counted where every process sees them."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog
from django.db import transaction

from coordinator.access.guessing import Guesses, Subject, counted
from coordinator.access.models import WrongGuesses

log = structlog.get_logger(__name__)

KEPT = timedelta(days=1)

# Subjects by kind and name.
Guesser: TypeAlias = Sequence[tuple[Subject, str]]


def person_guessing(name: str, address: str) -> Guesser:
    """Who is counted when somebody signs in as a person."""
    return [(Subject.ACCOUNT, name.strip().lower()), *_of_address(address)]


def program_guessing(client_id: str, address: str) -> Guesser:
    """Who is counted when somebody asks for a token."""
    return [(Subject.PROGRAM, f"{client_id} {address}"), *_of_address(address)]


def _of_address(address: str) -> Guesser:
    """The address; not this machine's own, where a proxy asks for everybody."""
    try:
        local = ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    return [] if local else [(Subject.ADDRESS, address)]


def locked_until(guesser: Guesser, now: datetime) -> datetime | None:
    """Until when no secret of theirs is looked at; None: now."""
    ends = [
        end
        for subject, name in guesser
        for end in WrongGuesses.objects.filter(
            subject=subject, who=_digest(name), locked_until__gt=now
        ).values_list("locked_until", flat=True)
        if end is not None
    ]
    return max(ends, default=None)


def count_wrong_guess(guesser: Guesser, now: datetime) -> None:
    """Takes note of a wrong secret. To be committed whatever becomes of the request."""
    for subject, name in guesser:
        with transaction.atomic():
            row, _ = WrongGuesses.objects.get_or_create(
                subject=subject, who=_digest(name), defaults={"count": 0, "since": now}
            )
            row = WrongGuesses.objects.select_for_update().get(pk=row.pk)
            state = counted(Guesses(row.count, row.since, row.locked_until), subject, now)
            row.count, row.since, row.locked_until = state.count, state.since, state.locked_until
            row.save(update_fields=["count", "since", "locked_until"])
        if state.count == 0:
            log.warning("sign_in.locked", subject=subject.value, until=str(state.locked_until))


def forget_old_guesses(now: datetime) -> None:
    """Deletes counts that lock nobody any more."""
    WrongGuesses.objects.filter(since__lt=now - KEPT).delete()


def forget_guesses(name: str) -> None:
    """Unlocks a person's account."""
    who = _digest(name.strip().lower())
    WrongGuesses.objects.filter(subject=Subject.ACCOUNT, who=who).delete()


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
