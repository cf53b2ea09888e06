"""What happened when: each action's start and end, written by whoever carries it out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.plan.workload import ACTIONS, SLOTS, Machine

START, END = "start", "end"


class ActionLog:
    """A file several processes write to, a line and a system call an event."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: str, machine: int, action: int) -> None:
        os.write(self._file, f"{event} {machine} {action} {time.monotonic():.6f}\n".encode())


@dataclass(frozen=True)
class Record:
    """What a log says.

    Attributes:
        first, last: When the first action began and the last one ended, by the monotonic clock.
        most_at_once: On the host that had the most.
        gaps: Seconds from the end of an action to the start of its machine's next one.
    """

    first: float
    last: float
    most_at_once: int
    gaps: tuple[float, ...]


class WrongRunError(RuntimeError):
    """What was carried out is not the plan."""


def read_log(path: Path, machines: Sequence[Machine]) -> Record:
    """Reads a log and checks it.

    Raises:
        WrongRunError: Actions were left out, done twice, done in a wrong order, or too many at once
            on a host.
    """
    times: dict[tuple[str, int, int], float] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        event, machine, action, at = line.split()
        key = (event, int(machine), int(action))
        if key in times:
            raise WrongRunError(f"{line}: a second time")
        times[key] = float(at)
    if len(times) != 2 * ACTIONS * len(machines):
        raise WrongRunError(f"{len(times)} events of {2 * ACTIONS * len(machines)}")
    gaps = tuple(
        times[START, machine.number, action + 1] - times[END, machine.number, action]
        for machine in machines
        for action in range(ACTIONS - 1)
    )
    if min(gaps) < 0:
        raise WrongRunError("an action began before the one before it had ended")
    _check_groups(times, machines)
    most = _most_at_once(times, machines)
    if most > SLOTS:
        raise WrongRunError(f"{most} actions at once on a host that may have {SLOTS}")
    return Record(min(times.values()), max(times.values()), most, gaps)


def is_complete(path: Path, machines: Sequence[Machine]) -> bool:
    """Whether everything has begun and ended."""
    return path.read_bytes().count(b"\n") == 2 * ACTIONS * len(machines)


def _check_groups(times: dict[tuple[str, int, int], float], machines: Sequence[Machine]) -> None:
    begins: dict[int, float] = {}
    ends: dict[int, float] = {}
    for machine in machines:
        begin = times[START, machine.number, 0]
        end = times[END, machine.number, ACTIONS - 1]
        begins[machine.group] = min(begin, begins.get(machine.group, begin))
        ends[machine.group] = max(end, ends.get(machine.group, end))
    for group, begin in begins.items():
        if begin < ends.get(group - 1, begin):
            raise WrongRunError(f"group {group} began before the one before it had ended")


def _most_at_once(times: dict[tuple[str, int, int], float], machines: Sequence[Machine]) -> int:
    hosts = {machine.number: machine.host for machine in machines}
    running: dict[int, int] = {}
    most = 0
    # An end counts before a start of the same moment.
    for (event, machine, _), _ in sorted(times.items(), key=lambda e: (e[1], e[0][0] == START)):
        host = hosts[machine]
        running[host] = running.get(host, 0) + (1 if event == START else -1)
        most = max(most, running[host])
    return most
