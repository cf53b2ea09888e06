"""A figure, the median of several runs, and the page that keeps them."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

START, END = "<!-- figures: tests/bench/run --write -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Figure:
    """What was measured.

    Attributes:
        name: What it is.
        unit: Of every value.
        values: One a run.
    """

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def digits(self) -> int:
        """After the point."""
        return 3 if self.unit == "ratio" else 2

    def row(self) -> str:
        low, high, digits = min(self.values), max(self.values), self.digits
        return (
            f"| {self.name} | {self.median:,.{digits}f} | {low:,.{digits}f} - {high:,.{digits}f}"
            f" | {len(self.values)} | {self.unit} |"
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(runs: int, once: Callable[[], Mapping[tuple[str, str], float]]) -> list[Figure]:
    """Runs a measurement several times and collects each of its (name, unit) values."""
    collected: dict[tuple[str, str], list[float]] = {}
    for _ in range(runs):
        for key, value in once().items():
            collected.setdefault(key, []).append(value)
    return [Figure(name, unit, tuple(values)) for (name, unit), values in collected.items()]


def describe_machine() -> str:
    """Processor, cores, memory, system and Python, in a line."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}"
    return (
        f"{os.cpu_count()} cores of {cpu}, {gib:.0f} GiB, {system}, "
        f"Python {platform.python_version()}"
    )


def write_page(page: Path, sections: Mapping[str, Sequence[Figure]], now: datetime) -> None:
    """Replaces the sections between the marks of the page; those that are not given stay."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    kept, _, after = rest.partition(END)
    written = _sections(kept)
    for title, figures in sections.items():
        lines = [
            f"{now:%Y-%m-%d}, {describe_machine()}.",
            "",
            "| what | median | min - max | runs | unit |",
            "|---|---|---|---|---|",
        ]
        written[title] = "\n".join([*lines, *(figure.row() for figure in figures)])
    parts = [f"### {title}\n\n{body}\n\n" for title, body in written.items()]
    page.write_text(f"{before}{START}\n\n{''.join(parts)}{END}{after}", encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    """What stands under each title."""
    found = {}
    for part in text.split("### ")[1:]:
        title, _, body = part.partition("\n")
        found[title.strip()] = body.strip()
    return found
