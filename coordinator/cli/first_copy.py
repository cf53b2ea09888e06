"""Waiting for a machine's first copy while showing how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.waiting import Display, Silence, Waiting, wait_until

PROTECTED = "Protected"
FAILED = "EnablingFailed"


def wait_for_protection(
    name: str, read: Callable[[], Any], display: Display, limit_seconds: float
) -> Any:
    """Reads a protected item until it is protected.

    Returns:
        The item.

    Raises:
        CommandError: Enabling failed, the time is over, or Ctrl-C was pressed; the copy goes on.
    """
    ends = {PROTECTED, FAILED}
    waiting = Waiting(
        read,
        lambda item: item.properties.protection_state in ends,
        f"The first copy of {name} is not complete",
        f"osr protect watch {name}",
    )
    item = wait_until(waiting, display, limit_seconds)
    if item.properties.protection_state == FAILED:
        raise CommandError(
            ExitCode.JOB_FAILED,
            f"{item.properties.friendly_name} could not be protected.",
            recommended_action="Find the job that failed with: osr job list",
        )
    return item


def choose_copy_display(console: Console, *, quiet: bool) -> Display:
    """A bar on a terminal, a line a change elsewhere, nothing when nobody reads."""
    if quiet:
        return Silence()
    return CopyBar(console) if console.is_terminal else CopyLines(console)


def described(item: Any) -> str:
    return f"{item.properties.friendly_name}: {item.properties.protection_state_description}"


def copied_percent(item: Any) -> int:
    """How much of the first copy is done; 100 once it is over."""
    if item.properties.protection_state == PROTECTED:
        return 100
    details = item.properties.provider_specific_details.initial_replication_details
    return int(details.initial_replication_progress_percentage or 0)


class CopyLines:
    """For logs: a line whenever something changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = ""

    def update(self, resource: Any) -> None:
        line = f"{described(resource)}, {copied_percent(resource)} %"
        if line != self._said:
            self._console.print(line, highlight=False)
            self._said = line

    def close(self) -> None:
        """Nothing is open."""


class CopyBar:
    """For a terminal: a bar."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("", total=100)
        self._progress.start()

    def update(self, resource: Any) -> None:
        self._progress.update(
            self._task, description=described(resource), completed=copied_percent(resource)
        )

    def close(self) -> None:
        self._progress.stop()
