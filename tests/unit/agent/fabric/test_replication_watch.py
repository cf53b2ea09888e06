"""Watching replication, host by host."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import inventory_pb2, replication_pb2, session_pb2

from agent.fabric.inventory import Inventory, inventory_of
from agent.fabric.replication_watch import ReplicationSettings, ReplicationWatch
from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import PowerShellFailure
from agent.powershell.records import PSRecord

HyperV = Callable[..., PSRecord]

VM1, VM2 = UUID(int=1), UUID(int=2)
H1, H2 = "h1.shanghai", "h2.shanghai"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Sent:
    """What was sent, or would have been if there were a session."""

    def __init__(self) -> None:
        self.connected = True
        self.reports: list[replication_pb2.ReplicationReport] = []
        self.heard = asyncio.Event()

    async def send(self, message: session_pb2.AgentMessage) -> bool:
        if self.connected:
            self.reports.append(message.replication)
            self.heard.set()
        return self.connected

    def last(self) -> tuple[bool, list[tuple[str, str, str]]]:
        report = self.reports[-1]
        states = [(state.vm_id, state.host, state.state) for state in report.states]
        return report.complete, sorted(states)


def fabric(machines: dict[UUID, str]) -> Inventory:
    hosts = [
        inventory_pb2.InventoryObject(host=inventory_pb2.Host(id=fqdn, fqdn=fqdn))
        for fqdn in (H1, H2)
    ]
    placed = [
        inventory_pb2.InventoryObject(
            virtual_machine=inventory_pb2.VirtualMachine(
                id=str(vm_id), vm_id=str(vm_id), host_fqdn=host
            )
        )
        for vm_id, host in machines.items()
    ]
    return inventory_of([*hosts, *placed])


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def watch(powershell: Any, sent: Sent) -> ReplicationWatch:
    settings = ReplicationSettings(interval_seconds=3600)
    made = ReplicationWatch(powershell, sent.send, settings, clock=lambda: NOON)
    made.set_inventory(fabric({VM1: H1, VM2: H2}))
    return made


def put(powershell: Any, hyper_v: HyperV, host: str, *vm_ids: UUID, **changes: object) -> None:
    powershell.answer("Get-VM", [hyper_v("vm", vm_id) for vm_id in vm_ids], host)
    replications = [hyper_v("replication", vm_id, **changes) for vm_id in vm_ids]
    powershell.answer("Get-VMReplication", replications, host)
    powershell.answer(
        "Measure-VMReplication", [hyper_v("measure", vm_id) for vm_id in vm_ids], host
    )


async def test_first_everything_then_only_what_changed(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1)
    put(powershell, hyper_v, H2, VM2)
    watch.watch([str(VM1).upper(), str(VM2)])
    assert await watch.look()
    both = [(str(VM1), H1, "Replicating"), (str(VM2), H2, "Replicating")]
    assert sent.last() == (True, both)
    assert sent.reports[0].observed_at.ToDatetime(UTC) == NOON
    assert await watch.look()
    assert len(sent.reports) == 1
    put(powershell, hyper_v, H2, VM2, ReplicationState="Suspended")
    assert await watch.look()
    assert sent.last() == (False, [(str(VM2), H2, "Suspended")])


async def test_pipelines_grow_with_hosts_not_with_machines(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    machines = [UUID(int=number) for number in range(100, 300)]
    watch.set_inventory(fabric(dict.fromkeys(machines, H1)))
    put(powershell, hyper_v, H1, *machines)
    watch.watch(map(str, machines))
    assert await watch.look()
    assert len(sent.reports[0].states) == 200
    assert powershell.names() == [
        "Get-VM",
        "Get-CimInstance",
        "Get-VMReplication",
        "Measure-VMReplication",
        "Get-VMHardDiskDrive",
        "Get-VMReplicationReplicatedDisks",
    ]


async def test_recovery_points_are_read_where_there_are_replicas(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1, ReplicationMode="Replica")
    point = hyper_v("snapshot", VM1, Id=UUID(int=9), CreationTime=NOON)
    powershell.answer("Get-VMSnapshot", [point], H1)
    watch.watch([str(VM1)])
    assert await watch.look()
    [state] = sent.reports[0].states
    assert [point.id for point in state.recovery_points] == [str(UUID(int=9))]


async def test_a_host_that_fails_does_not_stop_the_others_and_nothing_is_called_complete(
    powershell: Any,
    hyper_v: HyperV,
    watch: ReplicationWatch,
    sent: Sent,
    failure: PowerShellFailure,
) -> None:
    powershell.answer("Get-VM", failure, H1)
    put(powershell, hyper_v, H2, VM2)
    watch.watch([str(VM1), str(VM2)])
    assert not await watch.look()
    assert sent.last() == (False, [(str(VM2), H2, "Replicating")])
    put(powershell, hyper_v, H1, VM1)
    assert await watch.look()
    complete, states = sent.last()
    assert complete
    assert len(states) == 2


async def test_a_machine_that_moved_is_found_on_its_new_host_by_the_same_look(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1)
    watch.watch([str(VM1)])
    await watch.look()
    put(powershell, hyper_v, H1)
    put(powershell, hyper_v, H2, VM1)
    await watch.look()
    assert sent.last() == (
        False,
        [(str(VM1), H1, "Disabled"), (str(VM1), H2, "Replicating")],
    )


async def test_a_replica_that_vmm_does_not_know_is_looked_for_everywhere(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    unknown = UUID(int=7)
    put(powershell, hyper_v, H2, unknown, ReplicationMode="Replica")
    watch.watch([str(unknown)])
    assert await watch.look()
    assert sent.last() == (True, [(str(unknown), H2, "Replicating")])


async def test_with_both_sides_in_one_fabric_both_are_reported(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    sides = {"PrimaryServerName": H1, "ReplicaServerName": H2.upper()}
    put(powershell, hyper_v, H1, VM1, **sides)
    put(powershell, hyper_v, H2, VM1, ReplicationMode="Replica", **sides)
    watch.watch([str(VM1)])
    await watch.look()
    await watch.look()
    seen = {(state.host, state.mode) for report in sent.reports for state in report.states}
    assert seen == {(H1, "Primary"), (H2, "Replica")}


async def test_a_machine_without_replication_is_reported_as_that(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    powershell.answer("Get-VM", [hyper_v("vm", VM1)], H1)
    watch.watch([str(VM1)])
    await watch.look()
    assert sent.last() == (True, [(str(VM1), H1, "Disabled")])


async def test_before_the_coordinator_named_machines_nothing_is_said(
    watch: ReplicationWatch, sent: Sent, powershell: Any
) -> None:
    assert not await watch.look()
    assert sent.reports == []
    assert powershell.pipelines == []


async def test_watching_nothing_is_a_complete_report_of_nothing(
    watch: ReplicationWatch, sent: Sent
) -> None:
    watch.watch([])
    assert await watch.look()
    assert sent.last() == (True, [])


async def test_what_was_not_sent_is_sent_in_the_next_session(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1)
    watch.watch([str(VM1)])
    sent.connected = False
    assert not await watch.look()
    sent.connected = True
    assert await watch.look()
    assert sent.last() == (True, [(str(VM1), H1, "Replicating")])
    running = asyncio.create_task(watch.run())
    sent.heard.clear()
    watch.session_opened(3600)
    async with asyncio.timeout(10):
        await sent.heard.wait()
    assert sent.last() == (True, [(str(VM1), H1, "Replicating")])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.spec("RE-5")
async def test_a_disk_attached_later_is_told_as_one_that_does_not_replicate(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1)
    disks = [PSRecord({"VMId": VM1, "Path": path}) for path in ("C:\\a.vhdx", "C:\\b.vhdx", None)]
    powershell.answer("Get-VMHardDiskDrive", disks, H1)
    sending = [PSRecord({"VMId": VM1, "Path": "c:\\A.vhdx"})]
    powershell.answer("Get-VMReplicationReplicatedDisks", sending, H1)
    watch.watch([str(VM1)])
    assert await watch.look()
    [state] = sent.reports[0].states
    told = {disk.path: disk.replicated for disk in state.disks}
    assert told == {"C:\\a.vhdx": True, "C:\\b.vhdx": False}


@pytest.mark.spec("RE-4")
async def test_a_machine_that_is_gone_is_told_as_gone_once(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1)
    watch.watch([str(VM1)])
    await watch.look()
    put(powershell, hyper_v, H1)
    await watch.look()
    await watch.look()
    assert len(sent.reports) == 2
    [gone] = sent.reports[1].states
    assert (gone.vm_id, gone.host, gone.mode, gone.vm_state) == (str(VM1), H1, "None", "")


@pytest.mark.spec("RE-4")
async def test_new_machines_to_watch_do_not_make_everything_be_told_again(
    powershell: Any, hyper_v: HyperV, watch: ReplicationWatch, sent: Sent
) -> None:
    put(powershell, hyper_v, H1, VM1)
    put(powershell, hyper_v, H2, VM2)
    watch.watch([str(VM1)])
    await watch.look()
    watch.watch([str(VM1), str(VM2)])
    await watch.look()
    assert sent.last() == (False, [(str(VM2), H2, "Replicating")])


@pytest.mark.spec("RE-4")
async def test_a_coordinator_that_takes_its_time_is_told_the_newest_of_each_side_and_no_look_waits(
    powershell: Any, hyper_v: HyperV
) -> None:
    taken = asyncio.Semaphore(0)
    sent = Sent()

    async def slowly(message: session_pb2.AgentMessage) -> bool:
        await sent.send(message)
        await taken.acquire()
        return True

    watch = ReplicationWatch(
        powershell, slowly, ReplicationSettings(interval_seconds=3600), clock=lambda: NOON
    )
    watch.set_inventory(fabric({VM1: H1}))
    put(powershell, hyper_v, H1, VM1)
    watch.watch([str(VM1)])
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        await sent.heard.wait()
        for state in ("Suspended", "Error", "Resynchronizing"):
            put(powershell, hyper_v, H1, VM1, ReplicationState=state)
            assert await watch.observe()
        sent.heard.clear()
        taken.release()
        await sent.heard.wait()
    assert len(sent.reports) == 2
    assert sent.last() == (False, [(str(VM1), H1, "Resynchronizing")])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


class HangingHost:
    """A PowerShell whose pipelines for one host do not end before they are let."""

    def __init__(self, powershell: Any, host: str) -> None:
        self._powershell = powershell
        self._host = host
        self.ends = asyncio.Event()
        self.asked = 0

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        if pipeline[0].parameters.get("ComputerName") == self._host:
            self.asked += 1
            await self.ends.wait()
        found: list[PSRecord] = await self._powershell.run(
            *pipeline, time_limit_seconds=time_limit_seconds
        )
        return found


@pytest.mark.spec("RE-4")
async def test_a_host_that_does_not_answer_holds_up_no_news_of_the_others(
    powershell: Any, hyper_v: HyperV, sent: Sent
) -> None:
    hanging = HangingHost(powershell, H1)
    settings = ReplicationSettings(interval_seconds=0.05)
    watch = ReplicationWatch(hanging, sent.send, settings, clock=lambda: NOON)
    watch.set_inventory(fabric({VM1: H1, VM2: H2}))
    put(powershell, hyper_v, H1, VM1)
    put(powershell, hyper_v, H2, VM2)
    watch.watch([str(VM1), str(VM2)])
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        for state in ("Suspended", "Error", "Resynchronizing"):
            put(powershell, hyper_v, H2, VM2, ReplicationState=state)
            while not sent.reports or sent.last() != (False, [(str(VM2), H2, state)]):
                sent.heard.clear()
                await sent.heard.wait()
        assert hanging.asked == 1, "a host that hangs is not asked again beside"
        hanging.ends.set()
        while not sent.last()[0]:
            sent.heard.clear()
            await sent.heard.wait()
    assert {state.host for state in sent.reports[-1].states} == {H1, H2}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
