"""Showing how a job stands: live bars on a terminal, a line a change elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from coordinator.cli.job_readings import (
    RUNNING,
    MachineRow,
    Machines,
    counted,
    elapsed_seconds,
    job_percent,
    task_name,
    task_percent,
)
from coordinator.cli.waiting import Display, Silence

# Machines that have bars of their own at once; the others are counted in their group's.
MOST_MACHINES = 10
# Lines of a terminal that other things need.
SPARE_LINES = 4


def no_machines() -> Machines:
    return {}


def choose_display(
    console: Console, *, quiet: bool, machines: Callable[[], Machines] = no_machines
) -> Display:
    """Bars on a terminal, a line a change elsewhere, nothing when nobody reads."""
    if quiet:
        return Silence()
    return Bars(console, machines) if console.is_terminal else Lines(console, machines)


class Questions:
    """Says once of each manual action what a job waits for, and how to confirm it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._asked: set[str] = set()

    def update(self, job: Any) -> None:
        for task in job.properties.tasks or []:
            if "Resume" not in (task.allowed_actions or []) or task.name in self._asked:
                continue
            self._asked.add(str(task.name))
            details = task.custom_details or {}
            for line in (
                f"{task_name(task)}: waits for you. {details.get('instructions', '')}".rstrip(),
                f'  When it is done: osr job resume {job.name} --comments "..."',
            ):
                self._console.print(line, highlight=False, markup=False)


class Lines:
    """One line whenever the state of a task, or the count of its machines, changes."""

    def __init__(self, console: Console, machines: Callable[[], Machines] = no_machines) -> None:
        self._console = console
        self._machines = machines
        self._seen: dict[str, str] = {}
        self._questions = Questions(console)

    def update(self, job: Any) -> None:
        percent = job_percent(job)
        so_far = "" if percent is None else f" ({percent} % of all)"
        machines = self._machines()
        for task in job.properties.tasks or []:
            state = str(task.state)
            if state == "NotStarted":
                continue
            title, rows = task_name(task), machines.get(str(task.name), ())
            self._say(f"{task.name}", f"{title}: {state}", so_far)
            if rows:
                self._say(f"{task.name}/", f"{title}: {counted(rows)}", so_far)
            for row in rows:
                if row.state == "Failed":
                    self._say(f"{task.name}/{row.name}", f"{title}: {row.name}: Failed", "")
        self._questions.update(job)

    def _say(self, about: str, line: str, so_far: str) -> None:
        if self._seen.get(about) != line:
            self._seen[about] = line
            self._console.print(f"{line}{so_far}", highlight=False, markup=False)

    def close(self) -> None:
        return


class ElapsedColumn(ProgressColumn):
    """How long a row has taken by the coordinator's times, not since we look."""

    def render(self, task: Task) -> Text:
        seconds = task.fields.get("elapsed")
        if seconds is None:
            return Text("-:--:--", style="progress.elapsed")
        return Text(str(timedelta(seconds=int(seconds))), style="progress.elapsed")


class Bars:
    """A bar for the job, one a task, and one for each machine that is being worked on; live."""

    def __init__(self, console: Console, machines: Callable[[], Machines] = no_machines) -> None:
        self._console = console
        self._machines = machines
        name = TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(overflow="ellipsis", no_wrap=True),
        )
        state = TextColumn("{task.fields[state]}", markup=False)
        percent = TextColumn("{task.percentage:>3.0f} %", markup=False)
        self._progress = Progress(
            name,
            BarColumn(bar_width=24),
            percent,
            ElapsedColumn(),
            state,
            console=console,
            # Each reading is drawn once; between two of them nothing is known.
            auto_refresh=False,
        )
        self._rows: dict[str, TaskID] = {}
        self._questions = Questions(console)
        self._progress.start()

    def update(self, job: Any) -> None:
        self._questions.update(job)
        now = datetime.now(UTC)
        percent = job_percent(job)
        if percent is not None:
            title = str(job.properties.friendly_name or job.name)
            elapsed = elapsed_seconds(job.properties, now)
            self._draw("", title, percent, str(job.properties.state), elapsed)
        machines = self._machines()
        for task in job.properties.tasks or []:
            count = counted(machines.get(str(task.name), ()))
            state = f"{task.state}, {count}" if count else str(task.state)
            elapsed = elapsed_seconds(task, now)
            self._draw(str(task.name), task_name(task), task_percent(task), state, elapsed)
        self._draw_machines(job, machines)
        self._make_room(job)
        self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()

    def _draw(self, key: str, title: str, percent: int, state: str, elapsed: float | None) -> None:
        if key not in self._rows:
            self._rows[key] = self._progress.add_task(title, total=100, state="", elapsed=None)
        self._progress.update(self._rows[key], completed=percent, state=state, elapsed=elapsed)

    def _draw_machines(self, job: Any, machines: Machines) -> None:
        """Those that are being worked on; what is done is in the count of its group."""
        shown: dict[str, tuple[str, MachineRow]] = {}
        for task in job.properties.tasks or []:
            if str(task.state) != RUNNING:
                continue
            for row in _worth_showing(machines.get(str(task.name), ())):
                shown[f"{task.name}/{row.name}"] = (f"  {row.name} ({task_name(task)})", row)
        for key in [key for key in self._rows if "/" in key and key not in shown]:
            self._progress.remove_task(self._rows.pop(key))
        for key, (title, row) in list(shown.items())[:MOST_MACHINES]:
            self._draw(key, title, row.percent or 0, row.state, row.elapsed_seconds)

    def _make_room(self, job: Any) -> None:
        """Hides what is over when the terminal has not enough lines for all."""
        room = self._console.size.height - SPARE_LINES
        hidden = len(self._rows) - room
        for task in job.properties.tasks or []:
            over = str(task.state) not in {"NotStarted", RUNNING}
            hides = hidden > 0 and over
            hidden -= hides
            self._progress.update(self._rows[str(task.name)], visible=not hides)


def _worth_showing(rows: Sequence[MachineRow]) -> list[MachineRow]:
    failed = [row for row in rows if row.state == "Failed"]
    return [*failed, *(row for row in rows if row.state == RUNNING)]
