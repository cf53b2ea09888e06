"""Carries commands out: journalled before anything, each at most once, never without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from google.protobuf.message import Message
from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.session_pb2 import CommandProgress
from structlog.contextvars import bind_contextvars

from agent.clock import Clock, to_timestamp
from agent.failures import CommandError, failure
from agent.journal.commands import CommandJournal, JournalledCommand
from agent.journal.states import CommandState, IllegalTransitionError
from agent.powershell.errors import PowerShellError
from agent.powershell.failures import to_failure
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError
from agent.roles.gate import Gate, OpenGate, waits_for_the_coordinator
from agent.session.lanes import LONG_VERBS, Lanes
from agent.session.time_limits import TimeLimits
from agent.session.turns import MachineTurns
from agent.verbs.aftermath import state_afterwards
from agent.verbs.context import BeforeStart, HostKeys, Refresh, VerbContext, nothing_before
from agent.verbs.machines import machine_in
from agent.verbs.registry import Verb, outcome_field, request_of

log = structlog.get_logger(__name__)


async def tell_nobody(progress: CommandProgress) -> None:
    """For an executor whose commands nobody watches."""
    del progress


def nobody_to_tell(host: str, vm_id: str) -> None:
    """For an executor beside which nobody looks at machines."""
    del host, vm_id


Announce: TypeAlias = Callable[[CommandResult], Awaitable[object]]


@dataclass(frozen=True)
class ExecutorSettings:
    """Limits of the executor.

    Attributes:
        concurrent_commands: How many commands run at once; others wait, their time running. Of
            those that take long a quarter less.
        default_limit: For a command without a time limit.
        overtime_seconds: How long after its limit a verb may still look at the state.
        poll_interval_seconds: See VerbContext.
        settle_seconds: See VerbContext.
    """

    concurrent_commands: int = 32
    default_limit: timedelta = timedelta(hours=1)
    overtime_seconds: float = 30.0
    poll_interval_seconds: float = 0.5
    settle_seconds: float = 30.0


@dataclass(frozen=True)
class Fabric:
    """What commands act with.

    Attributes:
        powershell: Gives the PowerShell whose pipelines bear a command's id.
        host_keys: Keys of host certificates.
        verbs: Name of the field in Command to the function.
        vmm_server: Name of the VMM server or cluster role.
        script_library_path: See VerbContext.
        tell: Given what a command is doing, for people; may lose it.
        refresh: See VerbContext.
        gate: Refuses what was planned before a failover that this agent knows of.
        turns: One at a time for each copy of a machine.
        before_start: See VerbContext.
        touched: Given host and Hyper-V's id of each machine that a command may have changed, when
            it has ended and before anybody is told of it.
    """

    powershell: Callable[[UUID], PowerShell]
    host_keys: HostKeys
    verbs: Mapping[str, Verb]
    vmm_server: str = "localhost"
    script_library_path: str = ""
    tell: Callable[[CommandProgress], Awaitable[object]] = tell_nobody
    refresh: Refresh | None = None
    gate: Gate = field(default_factory=OpenGate)
    turns: MachineTurns = field(default_factory=MachineTurns)
    before_start: BeforeStart = nothing_before
    touched: Callable[[str, str], None] = nobody_to_tell


class CommandExecutor:
    """Runs commands side by side, those for one machine one after another; outlives sessions.

    The coordinator has one operation a machine, but it may have given up a command that still
    works here, or that a restarted agent goes on with: what came later acts later.
    """

    def __init__(
        self,
        journal: CommandJournal,
        fabric: Fabric,
        announce: Announce,
        clock: Clock,
        settings: ExecutorSettings = ExecutorSettings(),
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """Makes an executor; nothing happens before `run`.

        Args:
            journal: Where commands and results are kept.
            fabric: What commands act with.
            announce: Told each result after it is in the journal; may drop it.
            clock: The time.
            settings: Limits.
            monotonic: Seconds, for time limits; None: those of the clock.
        """
        self._journal = journal
        self._fabric = fabric
        self._announce = announce
        self._clock = clock
        self._settings = settings
        self._lanes = Lanes(settings.concurrent_commands)
        self._limits = TimeLimits(clock, monotonic, settings.default_limit)
        # Noted as started when they were accepted: nothing stood in their way.
        self._started: set[str] = set()
        # Of an earlier run: begun when they are delivered again, see `gate`.
        self._awaited: dict[str, asyncio.Event] = {}
        # Being accepted as started, with the turns they will take.
        self._arriving: list[asyncio.Lock] = []
        self._running: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._ready = asyncio.Event()

    @property
    def running_commands(self) -> int:
        """Commands accepted and not yet finished."""
        return len(self._running)

    def is_at(self, command_id: str) -> bool:
        """Whether a command is accepted and not yet finished."""
        return command_id in self._running

    async def run(self) -> None:
        """Goes on with what an earlier run left, then serves deliveries until it is cancelled.

        Raises:
            ExceptionGroup: The journal cannot be written; the process has to end, and a later
                one finds the journal as it is.
        """
        async with asyncio.TaskGroup() as group:
            self._group = group
            for entry in await asyncio.to_thread(self._journal.unfinished):
                log.info("command.resumed", **_named(entry.command), state=entry.state.value)
                self._resume(entry)
            self._ready.set()
            await asyncio.Event().wait()

    async def deliver(self, command: Command) -> CommandResult | None:
        """Takes a command from the coordinator; on disk when this returns.

        Returns:
            The result when the command was finished before, otherwise None.

        Idempotent: a command that was delivered before is not begun again.
        """
        await self._ready.wait()
        turn = self._turn(command)
        begin = self._begins_at_once(command, turn)
        if begin:
            self._arriving.append(turn)
        try:
            known = await self._journal.writer.run(self._journal.accept, command, begin=begin)
        finally:
            if begin:
                self._arriving.remove(turn)
        if known is None:
            if begin:
                self._started.add(command.command_id)
            entry = JournalledCommand(command, CommandState.ACCEPTED, self._clock(), None)
            self._begin(entry)
            # A machine waits for its command, nobody for the line.
            await asyncio.sleep(0)
            log.info("command.accepted", **_named(command), started=begin)
            return None
        log.info("command.delivered_again", **_named(command), state=known.state.value)
        if (awaited := self._awaited.get(command.command_id)) is not None:
            awaited.set()
        if known.result is None and command.command_id not in self._running:
            # Journalled by a delivery whose session ended before it could be begun: nothing was
            # done, even if it was noted as started at once.
            self._begin(replace(known, state=CommandState.ACCEPTED))
        return known.result

    def _begins_at_once(self, command: Command, turn: asyncio.Lock) -> bool:
        """Whether nothing that works here, or is about to, stands in its way."""
        return (
            len(self._running) + len(self._arriving) < self._settings.concurrent_commands
            and _verb_of(command) not in LONG_VERBS
            and not turn.locked()
            and turn not in self._arriving
        )

    def _resume(self, entry: JournalledCommand) -> None:
        """Goes on with what an earlier run left; some of it only if it is still wanted."""
        name, request = request_of(entry.command)
        if not waits_for_the_coordinator(name, machine_in(request)):
            self._begin(entry)
            return
        self._awaited[entry.command.command_id] = asyncio.Event()
        self._begin(entry)

    async def _until_wanted(self, entry: JournalledCommand) -> None:
        """Waits until the coordinator delivers a command again, at most until its time is up."""
        awaited = self._awaited.get(entry.command.command_id)
        if awaited is None:
            return
        left_seconds = self._limits.left_seconds(entry.command.command_id)
        try:
            async with asyncio.timeout(max(0.0, left_seconds)):
                await awaited.wait()
        except TimeoutError:
            log.info("command.not_wanted_any_more", **_named(entry.command))
        finally:
            del self._awaited[entry.command.command_id]

    def _begin(self, entry: JournalledCommand) -> None:
        if self._group is None:
            raise RuntimeError("the executor does not run")
        self._running.add(entry.command.command_id)
        self._limits.begin(entry)
        self._group.create_task(self._carry_out(entry), name=f"command {entry.command.command_id}")

    async def _carry_out(self, entry: JournalledCommand) -> None:
        command = entry.command
        # Each command is a task of its own: whatever is logged in it carries them.
        bind_contextvars(
            correlation_id=command.correlation_id, job=command.job_id, step=command.step_key
        )
        started_at = self._clock()
        try:
            await self._until_wanted(entry)
            async with self._turn(command), self._lanes.place(_verb_of(command)):
                outcome = await self._outcome(entry)
            self._touch(command)
            result = self._result(command, started_at, outcome)
            await self._journal.writer.run(self._journal.finish, result)
        except IllegalTransitionError:
            # Finished while its second delivery was on the way; its result has been announced.
            log.info("command.finished_before", **_named(command))
            return
        finally:
            self._running.discard(command.command_id)
            self._limits.forget(command.command_id)
            self._started.discard(command.command_id)
        await self._announce(result)
        # The coordinator waits for the result, nobody for the line.
        await asyncio.sleep(0)
        log.info(
            "command.finished",
            **_named(command),
            outcome=result.WhichOneof("outcome"),
            code=result.failure.code,
            seconds=round((self._clock() - started_at).total_seconds(), 3),
        )

    def _touch(self, command: Command) -> None:
        name, request = request_of(command)
        machine = machine_in(request)
        if machine is not None and not name.startswith("read_"):
            self._fabric.touched(machine.host, machine.vm_id)

    def _turn(self, command: Command) -> asyncio.Lock:
        """Held while the command works; it lets waiters in by the order of their arrival."""
        machine = machine_in(request_of(command)[1])
        if machine is None:
            return asyncio.Lock()
        return self._fabric.turns.of(machine.host, machine.vm_id)

    async def _outcome(self, entry: JournalledCommand) -> Message:
        """The verb's answer, or why it was not even tried."""
        command = entry.command
        name, request = request_of(command)
        verb = self._fabric.verbs.get(name)
        command_id = _identifier(command)
        if verb is None or request is None or command_id is None:
            return _not_understood(command, name)
        context = self._context(entry, command_id)
        if context.time_left_seconds() <= 0:
            return await self._too_late(entry, request, context)
        machine = machine_in(request)
        if machine is not None:
            refusal = await self._fabric.gate.refusal(name, machine)
            if refusal is not None:
                return refusal
        if command.command_id not in self._started:
            await self._journal.writer.run(self._journal.start, command.command_id)
            log.info("command.started", **_named(command))
        try:
            async with asyncio.timeout(
                context.time_left_seconds() + self._settings.overtime_seconds
            ):
                return await self._answer(verb, request, context)
        except TimeoutError:
            return await self._overdue(command, request, context)
        except Exception:
            log.exception("command.broke", **_named(command))
            return _broke(name)

    async def _answer(self, verb: Verb, request: Message, context: VerbContext) -> Message:
        try:
            return await verb(request, context)
        except CommandError as error:
            return error.failure
        except (PowerShellError, PropertyError) as error:
            return to_failure(error)

    def _context(self, entry: JournalledCommand, command_id: UUID) -> VerbContext:
        clock = self._limits.own_clock()
        left = timedelta(seconds=self._limits.left_seconds(entry.command.command_id))
        return VerbContext(
            powershell=self._fabric.powershell(command_id),
            host_keys=self._fabric.host_keys,
            clock=clock,
            command_id=command_id,
            deadline=clock() + left,
            vmm_server=self._fabric.vmm_server,
            script_library_path=self._fabric.script_library_path,
            resumed=entry.state is CommandState.STARTED,
            poll_interval_seconds=self._settings.poll_interval_seconds,
            settle_seconds=self._settings.settle_seconds,
            refresh=self._fabric.refresh,
            before_start=self._fabric.before_start,
            tell=lambda activity: self._fabric.tell(
                CommandProgress(command_id=str(command_id), activity=activity)
            ),
        )

    def _result(self, command: Command, started_at: datetime, outcome: Message) -> CommandResult:
        result = CommandResult(
            command_id=command.command_id,
            started_at=to_timestamp(started_at),
            finished_at=to_timestamp(self._clock()),
        )
        getattr(result, outcome_field(outcome)).CopyFrom(outcome)
        return result

    async def _overdue(self, command: Command, request: Message, context: VerbContext) -> Failure:
        state = await state_afterwards(context.powershell, request, self._settings.overtime_seconds)
        return failure(
            "CommandTimeLimitExceeded",
            "The command did not end within"
            f" {self._limits.limit(command).total_seconds():g} seconds and was given up; what it"
            f" began may still take effect. {state}",
            ["The host, its storage or the other site is slow or does not answer."],
            "Check the host, then run the operation again; it goes on from the state it finds.",
            transient=True,
        )

    async def _too_late(
        self, entry: JournalledCommand, request: Message, context: VerbContext
    ) -> Failure:
        if entry.state is CommandState.STARTED:
            state = await state_afterwards(
                context.powershell, request, self._settings.overtime_seconds
            )
            begun = f"it had been started before the agent ended. {state}"
        else:
            begun = "it was not started."
        return failure(
            "CommandTimeLimitExceeded",
            f"The time of command {entry.command.command_id} was up before its turn came; {begun}",
            ["The agent was not running.", "Too many commands were waiting for this agent."],
            "Run the operation again; it goes on from the state it finds.",
            transient=True,
        )


def _verb_of(command: Command) -> str:
    return command.WhichOneof("verb") or ""


def _named(command: Command) -> dict[str, Any]:
    return {
        "command_id": command.command_id,
        "verb": command.WhichOneof("verb"),
        "job": command.job_id,
        "step": command.step_key,
        "correlation_id": command.correlation_id,
    }


def _identifier(command: Command) -> UUID | None:
    try:
        identifier = UUID(command.command_id)
    except ValueError:
        return None
    # The last four bytes are for the agent's pipelines.
    return None if identifier.int & 0xFFFFFFFF else identifier


def _not_understood(command: Command, name: str) -> Failure:
    return failure(
        "VerbNotSupported",
        f"This agent does not understand command {command.command_id!r},"
        f" {name or 'of a newer protocol'}.",
        ["The agent is older than the coordinator."],
        "Update the agent on the VMM server.",
    )


def _broke(name: str) -> Failure:
    return failure(
        "AgentInternalError",
        f"The agent failed while carrying out {name}; its log says where.",
        ["A defect of the agent."],
        "Report the agent's log; then run the operation again.",
    )
