"""Processor time of processes, those they have started included."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def used_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, of what they started, and of what of that has ended."""
    family = _with_descendants(set(pids))
    ticks = 0
    for pid in family:
        fields = _stat(pid)
        # utime, stime, and what children had used that were waited for.
        ticks += sum(int(field) for field in fields[11:15]) if fields else 0
    return ticks / TICKS_A_SECOND


def _with_descendants(pids: set[int]) -> set[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields:
            parents[int(folder.name)] = int(fields[1])
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return []
