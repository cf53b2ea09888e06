"""Waiting for a job while showing what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from coordinator.cli.failures import CommandError, ExitCode

ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})
INTERVAL_SECONDS = 0.5


class Display(Protocol):
    """Shows how something stands."""

    def update(self, resource: Any) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Waiting:
    """What is waited for.

    Attributes:
        read: Gives the resource as it is now.
        ended: Whether there is nothing more to wait for.
        unfinished: What is so as long as it has not ended, without a full stop.
        again: Command that goes on watching.
    """

    read: Callable[[], Any]
    ended: Callable[[Any], bool]
    unfinished: str
    again: str

    def left(self, exit_code: ExitCode, when: str) -> CommandError:
        """The error of somebody who does not wait any longer."""
        return CommandError(
            exit_code,
            f"{self.unfinished} {when}; it goes on.",
            recommended_action=f"Look at it again with: {self.again}",
        )


def wait_until(
    waiting: Waiting,
    display: Display,
    limit_seconds: float,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Any:
    """Reads a resource until it has come to its end, showing every reading.

    Args:
        waiting: What is waited for.
        display: Is shown every reading.
        limit_seconds: How long to go on.
        interval_seconds: Between two readings.

    Returns:
        The resource as it was read last.

    Raises:
        CommandError: The time is over, or Ctrl-C was pressed; what was waited for goes on.
    """
    end = time.monotonic() + limit_seconds
    try:
        while True:
            resource = waiting.read()
            display.update(resource)
            if waiting.ended(resource):
                return resource
            if time.monotonic() + interval_seconds > end:
                raise waiting.left(ExitCode.TIME_OVER, f"after {limit_seconds:.0f} s")
            time.sleep(interval_seconds)
    except KeyboardInterrupt as error:
        raise waiting.left(ExitCode.INTERRUPTED, "now that you stop watching") from error
    finally:
        display.close()


def wait_for_job(
    job_name: str,
    read: Callable[[], Any],
    display: Display,
    limit_seconds: float,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Any:
    """Reads a job until it has ended.

    Returns:
        The job, ended well or not.

    Raises:
        CommandError: The time is over, or Ctrl-C was pressed; the job goes on.
    """
    waiting = Waiting(
        read,
        lambda job: job.properties.state in ENDED,
        f"The job {job_name} still runs",
        f"osr job watch {job_name}",
    )
    return wait_until(waiting, display, limit_seconds, interval_seconds)


class Silence:
    """For programs that read the answer."""

    def update(self, job: Any) -> None:
        del job

    def close(self) -> None:
        return
