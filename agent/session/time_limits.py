"""How much of its time a command has left, however the system's clock is corrected meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from opensiterecovery.provider.v1.command_pb2 import Command

from agent.clock import Clock
from agent.journal.commands import JournalledCommand


class TimeLimits:
    """Ends of commands by seconds that have really passed.

    A server that comes back after a loss of power often has a wrong clock, which is set right
    while commands run: none of them must pass for overdue, or have hours more, because of that.
    Only what was spent before the agent was started anew is told by the clock, which is all that
    tells of it.
    """

    def __init__(
        self, clock: Clock, monotonic: Callable[[], float] | None, default_limit: timedelta
    ) -> None:
        """Makes it.

        Args:
            clock: The time, as the journal has it.
            monotonic: Seconds that nobody corrects; None: those of the clock.
            default_limit: For a command without a time limit.
        """
        self._clock = clock
        self._monotonic = monotonic or (lambda: clock().timestamp())
        self._default_limit = default_limit
        self._ends: dict[str, float] = {}

    def limit(self, command: Command) -> timedelta:
        """The whole time a command has."""
        limit = command.time_limit.ToTimedelta()
        return limit if limit > timedelta(0) else self._default_limit

    def begin(self, entry: JournalledCommand) -> None:
        """From now on seconds are counted, less those that the journal tells of."""
        limit = self.limit(entry.command)
        spent = min(limit, max(timedelta(0), self._clock() - entry.received_at))
        self._ends[entry.command.command_id] = self._monotonic() + (limit - spent).total_seconds()

    def forget(self, command_id: str) -> None:
        """It has ended."""
        self._ends.pop(command_id, None)

    def left_seconds(self, command_id: str) -> float:
        """Until the end of a command that was begun; negative after it."""
        return self._ends[command_id] - self._monotonic()

    def own_clock(self) -> Clock:
        """The time as it is now, going on by seconds that have really passed."""
        now, since = self._clock(), self._monotonic()

        def clock() -> datetime:
            return now + timedelta(seconds=self._monotonic() - since)

        return clock
