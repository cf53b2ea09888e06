"""Commands run once, side by side, within their time, and always get an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1.command_pb2 import (
    Command,
    CommandResult,
    HostRefreshed,
    RefreshHost,
    StartVirtualMachine,
    StopVirtualMachine,
    VirtualMachineRef,
    VirtualMachineState,
)
from opensiterecovery.provider.v1.storage_pb2 import MoveReplicaStorage, ReplicaStorage

from agent.failures import CommandError, failure
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.states import CommandState
from agent.powershell.records import PropertyError, PSRecord
from agent.session.executor import CommandExecutor, ExecutorSettings, Fabric
from agent.verbs.context import VerbContext
from agent.verbs.registry import VERBS, Verb
from tests.unit.agent import fake_hyperv
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine
from tests.unit.agent.memory_keys import MemoryKeys, SetClock

HOST = "hv1.shanghai.test"
VM_ID = UUID("0b0c3a4e-6d3f-4a39-9a57-0a4c9f3f2a11")


def number(n: int) -> str:
    return f"{n:08d}-0000-4000-8000-000000000000"


def refresh(n: int = 1, host: str = HOST, limit_seconds: int = 60) -> Command:
    return Command(
        command_id=number(n),
        time_limit=Duration(seconds=limit_seconds),
        refresh_host=RefreshHost(host=host),
    )


@dataclass
class Agent:
    """One life of an agent: an executor on a journal that outlives it."""

    path: Path
    hyperv: FakeHyperV = field(default_factory=lambda: FakeHyperV(HOST))
    clock: SetClock = field(default_factory=SetClock)
    announced: list[CommandResult] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    touched: list[tuple[str, str]] = field(default_factory=list)
    journal: CommandJournal = field(init=False)

    @asynccontextmanager
    async def running(
        self, settings: ExecutorSettings | None = None, **verbs: Verb
    ) -> AsyncIterator[CommandExecutor]:
        self.journal = CommandJournal(Database(self.path), self.clock)
        executor = CommandExecutor(
            self.journal,
            Fabric(
                lambda _: self.hyperv,
                MemoryKeys(),
                {**VERBS, **verbs},
                touched=lambda host, vm_id: self.touched.append((host, vm_id)),
            ),
            self._hear,
            self.clock,
            settings or ExecutorSettings(poll_interval_seconds=0.001, overtime_seconds=0.2),
        )
        task = asyncio.create_task(executor.run())
        try:
            yield executor
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _hear(self, result: CommandResult) -> None:
        self.announced.append(result)
        self.heard.set()

    async def results(self, count: int) -> list[CommandResult]:
        async with asyncio.timeout(5):
            while len(self.announced) < count:
                await self.heard.wait()
                self.heard.clear()
        return self.announced


@pytest.fixture
def agent(journal_path: Path) -> Agent:
    return Agent(journal_path)


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def blocking(release: asyncio.Event, started: asyncio.Event) -> Callable[..., Awaitable[Any]]:
    async def verb(request: RefreshHost, _: VerbContext) -> HostRefreshed:
        started.set()
        await release.wait()
        return HostRefreshed(host=request.host)

    return verb


async def test_a_command_is_journalled_carried_out_and_answered(agent: Agent) -> None:
    async with agent.running() as executor:
        assert await executor.deliver(refresh()) is None
        assert sum(agent.journal.counts().values()) == 1
        [result] = await agent.results(1)
        assert result.host_refreshed.host == HOST
        assert result.command_id == number(1)
        assert agent.journal.unstored_results() == [result]
        assert executor.running_commands == 0
    assert agent.hyperv.effects == [("host.refreshed", HOST)]


@pytest.mark.spec("JB-3")
async def test_a_command_delivered_again_gives_its_result_and_no_second_effect(
    agent: Agent,
) -> None:
    async with agent.running() as executor:
        await executor.deliver(refresh())
        [result] = await agent.results(1)
        assert await executor.deliver(refresh()) == result
        assert await executor.deliver(refresh(host="somewhere else")) == result
    assert agent.hyperv.effects == [("host.refreshed", HOST)]


async def test_a_command_delivered_again_while_it_runs_is_not_begun_again(agent: Agent) -> None:
    release, started = asyncio.Event(), asyncio.Event()
    calls: list[int] = []

    async def verb(request: RefreshHost, _: VerbContext) -> HostRefreshed:
        calls.append(1)
        started.set()
        await release.wait()
        return HostRefreshed(host=request.host)

    async with agent.running(refresh_host=verb) as executor:
        await executor.deliver(refresh())
        await started.wait()
        assert executor.running_commands == 1
        assert await executor.deliver(refresh()) is None
        release.set()
        await agent.results(1)
    assert len(calls) == 1


@pytest.mark.spec("JB-3")
async def test_an_agent_that_dies_between_act_and_report_goes_on_and_acts_once(
    agent: Agent,
) -> None:
    agent.hyperv.add(HOST, FakeMachine(VM_ID, "SQL1"))
    acted = asyncio.Event()

    async def dying(request: StopVirtualMachine, context: VerbContext) -> Any:
        await VERBS["stop_virtual_machine"](request, context)
        acted.set()
        await asyncio.Event().wait()

    stop = Command(
        command_id=number(1),
        stop_virtual_machine=StopVirtualMachine(vm=VirtualMachineRef(vm_id=str(VM_ID), host=HOST)),
    )
    async with agent.running(stop_virtual_machine=dying) as executor:
        await executor.deliver(stop)
        await acted.wait()
    assert agent.journal.counts()[CommandState.STARTED] == 1
    assert agent.announced == []

    async with agent.running() as executor:
        [result] = await agent.results(1)
        assert result.virtual_machine.state == "Off"
        assert await executor.deliver(stop) == result
    assert agent.hyperv.effects == [("vm.stopped", str(VM_ID))]


@pytest.mark.spec("EN-10")
async def test_commands_accepted_but_not_started_are_carried_out_after_a_restart(
    agent: Agent,
) -> None:
    journal = CommandJournal(Database(agent.path), agent.clock)
    for n in (1, 2):
        journal.accept(refresh(n))
    async with agent.running():
        found = await agent.results(2)
    assert {each.command_id for each in found} == {number(1), number(2)}


async def test_a_delivery_cut_off_before_it_could_begin_begins_when_delivered_again(
    agent: Agent,
) -> None:
    async with agent.running() as executor:
        await executor.deliver(refresh(1))  # from now on nothing is taken from the journal
        # As if the session had ended while the journal was being written.
        agent.journal.accept(refresh(2))
        assert await executor.deliver(refresh(2)) is None
        await agent.results(2)
    assert agent.hyperv.effects == [("host.refreshed", HOST)] * 2


async def test_what_was_noted_as_started_but_never_begun_is_no_second_try(agent: Agent) -> None:
    """A plan's script, which is never run twice, would otherwise not be run at all."""
    tries: list[bool] = []

    async def verb(request: RefreshHost, context: VerbContext) -> HostRefreshed:
        tries.append(context.resumed)
        return HostRefreshed(host=request.host)

    async with agent.running(refresh_host=verb) as executor:
        await executor.deliver(refresh(1))
        # As if the session had ended while the journal was being written.
        agent.journal.accept(refresh(2), begin=True)
        assert await executor.deliver(refresh(2)) is None
        await agent.results(2)
    assert tries == [False, False]


def stop(n: int, vm_id: UUID = VM_ID) -> Command:
    vm = VirtualMachineRef(vm_id=str(vm_id), host=HOST)
    return Command(command_id=number(n), stop_virtual_machine=StopVirtualMachine(vm=vm))


def start(n: int, host: str = HOST) -> Command:
    vm = VirtualMachineRef(vm_id=str(VM_ID), host=host)
    return Command(command_id=number(n), start_virtual_machine=StartVirtualMachine(vm=vm))


async def test_commands_for_one_machine_act_in_the_order_of_their_arrival(agent: Agent) -> None:
    release, stopping = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def stops(request: StopVirtualMachine, _: VerbContext) -> VirtualMachineState:
        if request.vm.vm_id == str(VM_ID):
            stopping.set()
            await release.wait()
        order.append("stop" if request.vm.vm_id == str(VM_ID) else "stop of another")
        return VirtualMachineState()

    async def starts(_: StartVirtualMachine, __: VerbContext) -> VirtualMachineState:
        order.append("start")
        return VirtualMachineState()

    async with agent.running(stop_virtual_machine=stops, start_virtual_machine=starts) as executor:
        await executor.deliver(stop(1))
        await stopping.wait()
        await executor.deliver(start(2, HOST.upper()))
        await executor.deliver(stop(3, UUID(int=77)))
        await agent.results(1)
        assert order == ["stop of another"]
        # Whoever looks at machines is told before anybody hears that the command has ended.
        assert agent.touched == [(HOST, str(UUID(int=77)))]
        release.set()
        await agent.results(3)
    assert order == ["stop of another", "stop", "start"]


async def test_a_command_that_is_gone_on_with_after_a_restart_does_not_undo_a_later_one(
    agent: Agent,
) -> None:
    agent.hyperv.add(HOST, FakeMachine(VM_ID, "SQL1"))
    journal = CommandJournal(Database(agent.path), agent.clock)
    journal.accept(stop(1))
    journal.start(number(1))
    journal.accept(start(2))
    async with agent.running():
        results = await agent.results(2)
    assert [result.command_id for result in results] == [number(1), number(2)]
    assert [effect for effect, _ in agent.hyperv.effects] == ["vm.stopped", "vm.started"]


async def test_commands_run_side_by_side_up_to_the_limit(agent: Agent) -> None:
    release = asyncio.Event()
    most, now = 0, 0
    two_started = asyncio.Event()

    async def verb(request: RefreshHost, _: VerbContext) -> HostRefreshed:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 2:
            two_started.set()
        await release.wait()
        now -= 1
        return HostRefreshed(host=request.host)

    settings = ExecutorSettings(concurrent_commands=2)
    async with agent.running(settings, refresh_host=verb) as executor:
        for n in range(1, 6):
            await executor.deliver(refresh(n))
        await two_started.wait()
        assert executor.running_commands == 5
        assert agent.journal.counts()[CommandState.ACCEPTED] >= 3
        release.set()
        await agent.results(5)
    assert most == 2


async def test_commands_that_copy_disks_do_not_hold_up_failovers(agent: Agent) -> None:
    release = asyncio.Event()
    copying = 0

    async def move(request: MoveReplicaStorage, _: VerbContext) -> ReplicaStorage:
        nonlocal copying
        copying += 1
        await release.wait()
        return ReplicaStorage(vm_id=request.vm.vm_id)

    async def started(request: StartVirtualMachine, _: VerbContext) -> VirtualMachineState:
        return VirtualMachineState(vm_id=request.vm.vm_id)

    settings = ExecutorSettings(concurrent_commands=8)
    async with agent.running(
        settings, move_replica_storage=move, start_virtual_machine=started
    ) as executor:
        for n in range(1, 21):
            vm = VirtualMachineRef(vm_id=str(UUID(int=n)), host=HOST)
            moving = Command(command_id=number(n), move_replica_storage=MoveReplicaStorage(vm=vm))
            await executor.deliver(moving)
        for n in range(21, 25):
            vm = VirtualMachineRef(vm_id=str(UUID(int=n)), host=HOST)
            starting = Command(
                command_id=number(n), start_virtual_machine=StartVirtualMachine(vm=vm)
            )
            await executor.deliver(starting)
        results = await agent.results(4)
        assert {result.command_id for result in results} == {number(n) for n in range(21, 25)}
        assert copying == 6, "a quarter of the places is not for them"
        release.set()
        await agent.results(24)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError(failure("HostNotFound", "No.", ["Gone."], "Look.")), "HostNotFound"),
        (fake_hyperv.gone(), "PowerShellGone"),
        (fake_hyperv.timed_out(), "PowerShellTimeout"),
        (fake_hyperv.failure("AccessDenied", "PermissionDenied", "Get-VM"), "AccessDenied"),
        (PropertyError(PSRecord(), "Id", "is missing"), "UnexpectedObject"),
        (ZeroDivisionError("a secret in a text"), "AgentInternalError"),
    ],
)
async def test_whatever_a_verb_raises_becomes_a_failure_with_four_parts(
    agent: Agent, error: Exception, code: str
) -> None:
    async def verb(_: RefreshHost, __: VerbContext) -> HostRefreshed:
        raise error

    async with agent.running(refresh_host=verb) as executor:
        await executor.deliver(refresh())
        [result] = await agent.results(1)
    told = result.failure
    assert told.code == code
    assert told.message
    assert told.possible_causes
    assert told.recommended_action
    assert "a secret" not in told.message


async def test_an_unknown_command_is_refused(agent: Agent) -> None:
    async with agent.running() as executor:
        await executor.deliver(Command(command_id=number(1)))
        [result] = await agent.results(1)
    assert result.failure.code == "VerbNotSupported"


@pytest.mark.parametrize("command_id", ["", "7", "11111111-1111-4111-8111-111111111111"])
async def test_a_command_whose_id_cannot_name_pipelines_is_refused(
    agent: Agent, command_id: str
) -> None:
    async with agent.running() as executor:
        command = refresh()
        command.command_id = command_id
        await executor.deliver(command)
        [result] = await agent.results(1)
    assert result.failure.code == "VerbNotSupported"
    assert agent.hyperv.pipelines == []


async def test_time_runs_from_the_journal_also_while_the_agent_is_away(agent: Agent) -> None:
    journal = CommandJournal(Database(agent.path), agent.clock)
    journal.accept(refresh(1, limit_seconds=60))
    journal.accept(refresh(2, limit_seconds=600))
    agent.clock.advance(61)
    async with agent.running():
        found = {each.command_id: each for each in await agent.results(2)}
    assert found[number(1)].failure.code == "CommandTimeLimitExceeded"
    assert "not started" in found[number(1)].failure.message
    assert found[number(2)].host_refreshed.host == HOST
    assert len(agent.hyperv.effects) == 1


async def test_a_started_command_whose_time_is_up_is_told_with_the_state(agent: Agent) -> None:
    agent.hyperv.add(HOST, FakeMachine(VM_ID, "SQL1", state="Off"))
    journal = CommandJournal(Database(agent.path), agent.clock)
    command = stop(1)
    command.time_limit.CopyFrom(Duration(seconds=60))
    journal.accept(command)
    journal.start(number(1))
    agent.clock.advance(61)
    async with agent.running():
        [result] = await agent.results(1)
    assert result.failure.code == "CommandTimeLimitExceeded"
    assert "The state read afterwards: Off" in result.failure.message
    assert agent.hyperv.effects == []


async def test_a_verb_that_hangs_is_given_up_and_the_state_told(agent: Agent) -> None:
    agent.hyperv.add(HOST, FakeMachine(VM_ID, "SQL1"))

    async def hanging(_: StopVirtualMachine, __: VerbContext) -> Any:
        await asyncio.Event().wait()

    settings = ExecutorSettings(default_limit=timedelta(milliseconds=20), overtime_seconds=0.05)
    async with agent.running(settings, stop_virtual_machine=hanging) as executor:
        await executor.deliver(stop(1))
        [result] = await agent.results(1)
    assert result.failure.code == "CommandTimeLimitExceeded"
    assert "The state read afterwards: Running" in result.failure.message


async def test_stopping_leaves_running_commands_in_the_journal(agent: Agent) -> None:
    release, started = asyncio.Event(), asyncio.Event()
    async with agent.running(refresh_host=blocking(release, started)) as executor:
        await executor.deliver(refresh())
        await started.wait()
    assert agent.announced == []
    [entry] = agent.journal.unfinished()
    assert entry.state is CommandState.STARTED


async def test_a_journal_that_cannot_be_written_ends_the_executor(agent: Agent) -> None:
    journal = CommandJournal(Database(agent.path), agent.clock)

    async def verb(request: RefreshHost, _: VerbContext) -> HostRefreshed:
        database.close()
        return HostRefreshed(host=request.host)

    database = Database(agent.path)
    executor = CommandExecutor(
        CommandJournal(database, agent.clock),
        Fabric(lambda _: agent.hyperv, MemoryKeys(), {"refresh_host": verb}),
        agent._hear,
        agent.clock,
    )
    running = asyncio.create_task(executor.run())
    await executor.deliver(refresh())
    with pytest.raises(ExceptionGroup):
        await running
    assert agent.announced == []
    assert [entry.state for entry in journal.unfinished()] == [CommandState.STARTED]
