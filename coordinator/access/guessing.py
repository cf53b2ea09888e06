"""When somebody who gives wrong secrets has to wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Subject(StrEnum):
    """Who is counted."""

    # A person's account, from wherever: a password may be guessed from many addresses.
    ACCOUNT = "Account"
    # A program and the address it asks from. Not the program alone: its secret cannot be guessed,
    # and whoever knows its id could lock it out.
    PROGRAM = "Program"
    ADDRESS = "Address"


# Wrong guesses within the window, after which no secret is looked at for the length of the lock.
LIMITS = {Subject.ACCOUNT: 10, Subject.PROGRAM: 20, Subject.ADDRESS: 100}
WINDOW = timedelta(minutes=15)
LOCK = timedelta(minutes=15)


@dataclass(frozen=True)
class Guesses:
    """Wrong guesses of one subject.

    Attributes:
        count: How many since the window began.
        since: When it began.
        locked_until: None when it is not locked.
    """

    count: int
    since: datetime
    locked_until: datetime | None = None

    def locked_at(self, now: datetime) -> bool:
        return self.locked_until is not None and now < self.locked_until


def counted(before: Guesses | None, subject: Subject, now: datetime) -> Guesses:
    """What is known of a subject after one more wrong guess.

    Args:
        before: None when it had none.
        subject: Of what kind it is.
        now: Time of the guess.
    """
    if before is None or now - before.since >= WINDOW:
        before = Guesses(0, now)
    count = before.count + 1
    if count >= LIMITS[subject]:
        return Guesses(0, now, now + LOCK)
    return Guesses(count, before.since, before.locked_until)
