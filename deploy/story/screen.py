"""The story on a terminal: what runs now, what was verified, and the table at the end."""

from __future__ import annotations

from typing import Self

from azure.mgmt.recoveryservicessiterecovery import models
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deploy.story.report import StepReport, StoryReport
from deploy.story.story import Narrator

MARKS = {
    "Succeeded": "[green]✔[/]",
    "Failed": "[red]✘[/]",
    "Skipped": "[dim]-[/]",
    "InProgress": "[yellow]▸[/]",
}


class Screen(Narrator):
    """Shows the running step with its job's tasks; ended steps stay above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._step = ""
        self._lines: list[str] = []
        self._tasks: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self._live.update(Text(""))
        self._live.__exit__(None, None, None)

    def step_began(self, name: str) -> None:
        self._step, self._lines, self._tasks = name, [], []
        self._draw()

    def job_seen(self, job: models.JobProperties) -> None:
        self._tasks = [(str(task.state), str(task.friendly_name)) for task in job.tasks or []]
        self._draw()

    def told(self, text: str) -> None:
        self._lines.append(text)
        self._draw()

    def step_ended(self, step: StepReport) -> None:
        mark = "[green]✔[/]" if step.ok else "[red]✘[/]"
        self._live.console.print(f"{mark} {step.name} [dim]{step.seconds:6.1f} s[/]")
        for state, name in self._tasks:
            self._live.console.print(f"    {MARKS.get(state, '·')} [dim]{name}[/]")
        for line in self._lines:
            self._live.console.print(f"    [dim]{line}[/]")
        self._live.update(Text(""))

    def _draw(self) -> None:
        rows: list[Text | Spinner] = [Spinner("dots", text=Text(self._step, style="bold"))]
        for state, name in self._tasks:
            rows.append(Text.from_markup(f"    {MARKS.get(state, '·')} {name}"))
        rows.extend(Text(f"    {line}", style="dim") for line in self._lines)
        self._live.update(Group(*rows))


def show_report(console: Console, report: StoryReport) -> None:
    """The table at the end."""
    steps = Table(title=f"{report.vm}: Shanghai to Beijing and back", title_justify="left")
    steps.add_column("step")
    steps.add_column("seconds", justify="right")
    steps.add_column("verified")
    for step in report.steps:
        steps.add_row(step.name, f"{step.seconds:.1f}", "yes" if step.ok else "[red]NO[/]")
    console.print(steps)
    numbers = Table(show_header=False)
    numbers.add_column()
    numbers.add_column()
    for name, value in (*_failovers(report), *_sums(report)):
        numbers.add_row(name, value)
    console.print(numbers)


def _failovers(report: StoryReport) -> list[tuple[str, str]]:
    rows = []
    for failover in report.failovers:
        place = failover.destination
        ledger = f"{failover.last_written} / {failover.last_found}"
        # A planned failover loses nothing, so its RPO is what the ledger proves: 0.
        rpo = "0 s" if failover.ok else "[red]not 0[/]"
        rows += [
            (f"to {place}: RTO / RPO", f"{failover.rto_seconds:.1f} s / {rpo}"),
            (f"to {place}: ledger written / found", ledger),
            (f"to {place}: disks that left, sha256", failover.digest_source),
            (f"to {place}: disks that arrived", failover.digest_target),
        ]
    return rows


def _sums(report: StoryReport) -> list[tuple[str, str]]:
    verdict = "[green]everything verified[/]" if report.ok else "[red]FAILED[/]"
    return [
        ("ledger records lost", str(report.records_lost)),
        ("bytes replicated", f"{report.bytes_replicated:,}"),
        ("commands / effects done twice", f"{report.commands} / {report.duplicate_effects}"),
        ("verdict", verdict),
    ]
