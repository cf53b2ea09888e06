"""Programs of a group under supervisord: killed as a loss of power would, whatever they do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coordinator.config.process_group import ProcessGroup, Program
from coordinator.config.waiting import wait_for

pytestmark = pytest.mark.timeout(120)
SLEEPER = Program("sleeper", [sys.executable, "-c", "import signal; signal.pause()"])


@pytest.fixture
def group(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessGroup]:
    made = ProcessGroup(tmp_path, tmp_path_factory.mktemp("s"))
    made.configure([SLEEPER])
    made.start()
    try:
        yield made
    finally:
        made.stop()


def pid(group: ProcessGroup) -> int:
    def running() -> int | None:
        [row] = group.status()
        return row.pid or None

    return wait_for("the program to run", running, 30)


def test_a_killed_program_stays_dead_until_it_is_started(group: ProcessGroup) -> None:
    pid(group)
    group.kill_program("sleeper")
    [row] = group.status()
    assert (row.state, row.pid) == ("STOPPED", 0)
    group.kill_program("sleeper")
    group.start_program("sleeper")
    assert pid(group)


@pytest.mark.parametrize("deaths", range(5))
def test_one_that_has_just_died_of_something_else_is_caught(
    group: ProcessGroup, deaths: int
) -> None:
    for _ in range(1 + deaths):
        with suppress(ProcessLookupError):
            os.kill(pid(group), signal.SIGKILL)
    group.kill_program("sleeper")
    [row] = group.status()
    assert (row.state, row.pid) == ("STOPPED", 0)
