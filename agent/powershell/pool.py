"""The agent's PowerShell: one process, started when needed, started anew after it died."""

import asyncio
import itertools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import PowerShellGone
from agent.powershell.interface import PowerShell
from agent.powershell.pipelines import describe
from agent.powershell.records import PSRecord
from agent.powershell.runspaces import Runspaces, RunspaceSettings
from agent.powershell.transport import StartTransport, process

log = structlog.get_logger(__name__)

NO_COMMAND: Final = UUID(int=0)
"""Stands for everything the agent does of itself: discovery and watching."""

LONG_CMDLETS: Final = frozenset({"Move-VMStorage", "Import-VMInitialReplication"})
"""They hold their runspace for as long as disks are copied: hours."""

_COUNTER_BITS: Final = 32
_COUNTER_MASK: Final = (1 << _COUNTER_BITS) - 1


def pipeline_ids(command_id: UUID) -> Iterator[UUID]:
    """Counts a command's pipelines in the last four bytes of its id, starting at 1.

    Whoever sees a pipeline id (an event log, the lab) knows the command that caused it.

    Raises:
        ValueError: The last four bytes of the id are taken.
    """
    if command_id.int & _COUNTER_MASK:
        raise ValueError(f"the last four bytes of command id {command_id} are not zero")
    for number in itertools.count():
        yield UUID(int=command_id.int | (number % _COUNTER_MASK + 1))


class _BoundPowerShell:
    """Runs pipelines in the name of one command, or of none."""

    def __init__(self, pool: "PowerShellPool", command_id: UUID) -> None:
        self._pool = pool
        self._ids = pipeline_ids(command_id)
        self._urgent = command_id != NO_COMMAND

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        return await self._pool.run_as(
            next(self._ids), pipeline, time_limit_seconds, urgent=self._urgent
        )


class PowerShellPool:
    """Runs pipelines in the runspaces of one process at a time.

    Pipelines run concurrently, as many as there are runspaces; the agent's own (discovery,
    watching) never take more than half of them, so that commands need not wait for them, and
    commands, some of which work for an hour, leave a quarter to the agent, which must go on seeing.
    Cmdlets that copy disks never take more than half either: failovers need not wait for them.

    Args:
        powershell: What speaks PSRP: the command line of a program that does so over its standard
            streams, for example ("powershell.exe", "-NoLogo", "-NoProfile", "-s"), or a function
            that starts a transport.
        max_runspaces: Pipelines that may run at the same time.
        open_time_limit_seconds: For the start of the process.
        stop_grace_seconds: For a pipeline over its limit to stop; after it the process is ended.
        clock: Monotonic seconds.
        long_cmdlets: Those that copy disks.
    """

    def __init__(
        self,
        powershell: Sequence[str] | StartTransport,
        *,
        max_runspaces: int = 8,
        open_time_limit_seconds: float = 60.0,
        stop_grace_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        long_cmdlets: Collection[str] = LONG_CMDLETS,
    ) -> None:
        self._settings = RunspaceSettings(
            start=powershell if callable(powershell) else process(tuple(powershell)),
            max_runspaces=max_runspaces,
            open_time_limit_seconds=open_time_limit_seconds,
            stop_grace_seconds=stop_grace_seconds,
        )
        self._clock = clock
        self._long_cmdlets = frozenset(long_cmdlets)
        self._runspaces: Runspaces | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._free = asyncio.Semaphore(max_runspaces)
        self._free_for_the_agent = asyncio.Semaphore(max(1, max_runspaces // 2))
        self._free_for_commands = asyncio.Semaphore(max(1, max_runspaces - max_runspaces // 4))
        self._free_for_long = asyncio.Semaphore(max(1, max_runspaces // 2))
        self._own = _BoundPowerShell(self, NO_COMMAND)
        # A command's counter lives as long as somebody holds its PowerShell.
        self._bound: WeakValueDictionary[UUID, _BoundPowerShell] = WeakValueDictionary()
        self._bound[NO_COMMAND] = self._own

    def for_command(self, command_id: UUID) -> PowerShell:
        """Gives the PowerShell of one command; its pipelines bear the command's id.

        Args:
            command_id: A UUID whose last four bytes are zero; NO_COMMAND for the agent itself.

        Raises:
            ValueError: They are not.
        """
        bound = self._bound.get(command_id)
        if bound is None:
            if command_id.int & _COUNTER_MASK:
                raise ValueError(f"the last four bytes of command id {command_id} are not zero")
            bound = self._bound[command_id] = _BoundPowerShell(self, command_id)
        return bound

    async def run(
        self, *pipeline: Cmdlet, command_id: UUID | None = None, time_limit_seconds: float
    ) -> list[PSRecord]:
        """Runs a pipeline for a command, or without one for the agent itself.

        See PowerShell.run. To run several pipelines for one command hold its `for_command`.
        """
        powershell = self._own if command_id is None else self.for_command(command_id)
        return await powershell.run(*pipeline, time_limit_seconds=time_limit_seconds)

    async def run_as(
        self,
        pipeline_id: UUID,
        pipeline: tuple[Cmdlet, ...],
        time_limit_seconds: float,
        *,
        urgent: bool = True,
    ) -> list[PSRecord]:
        """Runs a pipeline under an id of the caller's choice; see PowerShell.run."""
        if not pipeline:
            raise ValueError("a pipeline has at least one cmdlet")
        share = self._free_for_commands if urgent else self._free_for_the_agent
        long = any(one.name in self._long_cmdlets for one in pipeline)
        async with self._free_for_long if long else nullcontext(), share, self._free:
            runspaces = await self._opened()
            # What the agent does of itself never ends; what commands do is told whole.
            tell = log.bind(cmdlets=describe(pipeline), pipeline_id=str(pipeline_id))
            tell = tell.info if urgent else tell.debug
            started, outcome = self._clock(), "succeeded"
            try:
                return await runspaces.run(pipeline_id, pipeline, time_limit_seconds)
            except BaseException as error:
                outcome = type(error).__name__
                raise
            finally:
                seconds = round(self._clock() - started, 3)
                tell("pipeline.ended", outcome=outcome, seconds=seconds)

    async def close(self) -> None:
        """Lets PowerShell leave; what still runs fails with PowerShellGone. For good."""
        self._closed = True
        async with self._opening:
            if self._runspaces is not None:
                await self._runspaces.close()
                self._runspaces = None

    async def _opened(self) -> Runspaces:
        async with self._opening:
            if self._closed:
                raise PowerShellGone("the agent is closing PowerShell")
            if self._runspaces is not None and self._runspaces.gone is not None:
                log.warning("powershell.ended", reason=self._runspaces.gone.reason)
                self._runspaces = None
            if self._runspaces is None:
                started = self._clock()
                self._runspaces = await Runspaces.open(self._settings)
                log.info("powershell.started", seconds=round(self._clock() - started, 3))
            return self._runspaces
