"""Time limits hold while the system's clock is corrected."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opensiterecovery.provider.v1.command_pb2 import HostRefreshed, RefreshHost

from agent.journal.commands import CommandJournal, JournalledCommand
from agent.journal.database import Database
from agent.journal.states import CommandState
from agent.session.executor import CommandExecutor, Fabric
from agent.session.time_limits import TimeLimits
from agent.verbs.context import VerbContext
from tests.unit.agent.fake_hyperv import FakeHyperV
from tests.unit.agent.memory_keys import MemoryKeys, SetClock
from tests.unit.agent.session.test_executor import HOST, number, refresh

DAY_SECONDS = 86400.0


class Seconds:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("step_seconds", [DAY_SECONDS, -DAY_SECONDS])
async def test_a_clock_that_is_set_right_ends_no_command_and_gives_none_more_time(
    tmp_path: Path, step_seconds: float
) -> None:
    clock, seconds, looks = SetClock(), Seconds(), []

    async def verb(request: RefreshHost, context: VerbContext) -> HostRefreshed:
        looks.append(context.time_left_seconds())
        clock.advance(step_seconds)
        seconds.now += 10
        looks.append(context.time_left_seconds())
        seconds.now += 50
        looks.append(context.time_left_seconds())
        return HostRefreshed(host=request.host)

    results: asyncio.Queue[Any] = asyncio.Queue()
    executor = CommandExecutor(
        CommandJournal(Database(tmp_path / "journal.sqlite3"), clock),
        Fabric(lambda _: FakeHyperV(HOST), MemoryKeys(), {"refresh_host": verb}),
        results.put,
        clock,
        monotonic=seconds,
    )
    running = asyncio.create_task(executor.run())
    for n in (1, 2):
        await executor.deliver(refresh(n, limit_seconds=60))
        async with asyncio.timeout(5):
            assert (await results.get()).WhichOneof("outcome") == "host_refreshed"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert looks == [60, 50, 0] * 2


@pytest.mark.parametrize(
    ("since_received_seconds", "left_seconds"),
    # The last two: the clock was wrong when it came, or is now.
    [(0, 60), (25, 35), (61, 0), (DAY_SECONDS, 0), (-DAY_SECONDS, 60)],
)
def test_what_an_earlier_run_left_has_the_rest_of_its_time(
    since_received_seconds: float, left_seconds: float
) -> None:
    clock = SetClock()
    entry = JournalledCommand(
        refresh(1, limit_seconds=60),
        CommandState.STARTED,
        clock() - timedelta(seconds=since_received_seconds),
        None,
    )
    limits = TimeLimits(clock, Seconds(), timedelta(hours=1))
    limits.begin(entry)
    assert limits.left_seconds(number(1)) == left_seconds
