"""The time of day within which Hyper-V may resynchronize by itself."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Window:
    """From when until when, since midnight of the host's local time.

    An end before the start is on the next morning. The default is Hyper-V's own window, outside
    office hours, in which ASR resynchronized by itself.
    """

    start_seconds: int = 18 * 3600 + 30 * 60
    end_seconds: int = 6 * 3600

    def __post_init__(self) -> None:
        for seconds in (self.start_seconds, self.end_seconds):
            if not 0 <= seconds < DAY_SECONDS:
                raise ValueError(f"{seconds} seconds are no time of day")


# On for every machine that is protected; Hyper-V's own default is off.
DEFAULT_WINDOW = Window()
