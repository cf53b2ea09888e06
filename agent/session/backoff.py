"""How long to wait before the next attempt to reach the coordinator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Exponential with jitter, so that a thousand agents do not come back at the same moment.

    Attributes:
        random: Gives a number from 0 to 1.
        first_seconds: The longest first wait.
        most_seconds: The longest wait of all.
    """

    random: Callable[[], float]
    first_seconds: float = 0.2
    most_seconds: float = 10.0
    _attempts: int = 0

    def next_seconds(self) -> float:
        """The next wait: between half of the present step and the whole of it."""
        # The exponent is bounded: a coordinator may be away for weeks.
        step = min(self.most_seconds, self.first_seconds * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return step * (0.5 + self.random() / 2)

    def reset(self) -> None:
        """After a session that was good."""
        self._attempts = 0
