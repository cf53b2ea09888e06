"""The coordinator's picture of the fabric is kept up to date."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import inventory_pb2, session_pb2

from agent.fabric.inventory import Inventory, inventory_of
from agent.fabric.inventory_watch import InventorySettings, InventoryWatch
from agent.powershell.errors import PowerShellFailure
from agent.powershell.records import PSRecord

Record = Callable[..., PSRecord]
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class FakeBase:
    """Keeps in memory what the journal keeps on disk."""

    def __init__(self) -> None:
        self.kept: tuple[int, Mapping[tuple[str, str], bytes]] = (0, {})

    def load(self) -> tuple[int, Mapping[tuple[str, str], bytes]]:
        return self.kept

    def save(self, revision: int, digests: Mapping[tuple[str, str], bytes]) -> None:
        self.kept = (revision, dict(digests))

    def amend(
        self,
        revision: int,
        changed: Mapping[tuple[str, str], bytes],
        removed: Iterable[tuple[str, str]],
    ) -> None:
        gone = {tuple(key) for key in removed}
        left = {key: value for key, value in self.kept[1].items() if tuple(key) not in gone}
        self.kept = (revision, {**left, **changed})


class FakeCoordinator:
    """Applies revisions whole and only onto their base, and says so."""

    def __init__(self) -> None:
        self.watch: InventoryWatch | None = None
        self.connected = True
        self.silent = False
        self.revision = 0
        self.inventory: Inventory = {}
        self.updates: list[inventory_pb2.InventoryUpdate] = []
        self.applied = asyncio.Event()
        self.heard = asyncio.Event()
        self.refused = asyncio.Event()

    async def send(self, message: session_pb2.AgentMessage) -> bool:
        if not self.connected:
            self.refused.set()
            return False
        update = message.inventory
        self.updates.append(update)
        self.heard.set()
        if update.last_part and not self.silent:
            assert update.base_revision in {0, self.revision}
            if update.base_revision == 0:
                self.inventory = {}
            for gone in update.removed:
                self.inventory.pop((gone.kind, gone.id))  # type: ignore[call-overload] # a plain tuple is equal
            self.inventory.update(inventory_of(update.changed))
            self.revision = update.revision
            assert self.watch is not None
            self.watch.stored(update.revision)
            self.applied.set()
        return True


@pytest.fixture
def base() -> FakeBase:
    return FakeBase()


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def watch(powershell: Any, base: FakeBase, coordinator: FakeCoordinator) -> InventoryWatch:
    settings = InventorySettings(interval_seconds=3600, stored_limit_seconds=0.2)
    made = InventoryWatch(powershell, base, coordinator.send, settings, clock=lambda: NOW)
    coordinator.watch = made
    return made


def clouds(record: Record, *names: str) -> list[PSRecord]:
    return [record(ID=UUID(int=number + 1), Name=name) for number, name in enumerate(names)]


async def test_first_everything_then_only_what_changed(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold", "Silver"))
    assert await watch.look()
    powershell.answer("Get-SCCloud", clouds(record, "Gold", "Platinum"))
    assert await watch.look()
    first, second = coordinator.updates
    assert (first.base_revision, len(first.changed)) == (0, 2)
    assert second.base_revision == first.revision
    assert [item.cloud.name for item in second.changed] == ["Platinum"]
    assert {item.cloud.name for item in coordinator.inventory.values()} == {"Gold", "Platinum"}


async def test_without_a_change_nothing_is_sent(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    assert await watch.look()
    assert await watch.look()
    assert len(coordinator.updates) == 1


async def test_an_empty_fabric_is_told_once(
    watch: InventoryWatch, coordinator: FakeCoordinator, base: FakeBase
) -> None:
    assert await watch.look()
    assert await watch.look()
    assert len(coordinator.updates) == 1
    assert base.kept[0] == coordinator.revision


async def test_what_the_coordinator_did_not_store_is_sent_again(
    powershell: Any,
    record: Record,
    watch: InventoryWatch,
    coordinator: FakeCoordinator,
    base: FakeBase,
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    coordinator.silent = True
    assert not await watch.look()
    assert base.kept == (0, {})
    coordinator.silent = False
    assert await watch.look()
    unstored, stored = coordinator.updates
    assert stored.revision > unstored.revision
    assert base.kept[0] == stored.revision


@pytest.mark.spec("DI-2", "RE-7")
async def test_a_machine_that_a_command_touched_is_told_by_the_next_look_that_begins(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    machine = record(
        ID=UUID(int=7),
        VMId=str(UUID(int=8)),
        Name="VM1",
        HostName="hv1.example",
        VirtualMachineState="Running",
    )
    powershell.answer("Get-SCVirtualMachine", [machine])
    assert await watch.look()
    watch.touched("HV1.example", str(UUID(int=8)).upper())
    coordinator.silent = True
    assert not await watch.look()
    coordinator.silent = False
    assert await watch.look()
    assert await watch.look()
    told = [[item.virtual_machine.name for item in each.changed] for each in coordinator.updates]
    assert told == [["VM1"], ["VM1"], ["VM1"]]
    assert {each.look_began_at.ToDatetime(tzinfo=UTC) for each in coordinator.updates} == {NOW}


async def test_a_late_answer_to_an_older_revision_is_ignored(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    coordinator.silent = True
    looking = asyncio.create_task(watch.look())
    await coordinator.heard.wait()
    watch.stored(1)
    assert not await looking


async def test_without_a_session_nothing_is_remembered(
    watch: InventoryWatch, coordinator: FakeCoordinator, base: FakeBase
) -> None:
    coordinator.connected = False
    assert not await watch.look()
    assert base.kept == (0, {})


async def test_a_coordinator_that_lost_its_base_gets_everything(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    assert await watch.look()
    coordinator.revision, coordinator.inventory = 0, {}
    running = asyncio.create_task(watch.run())
    coordinator.applied.clear()
    watch.request(full=True)
    await coordinator.applied.wait()
    assert len(coordinator.inventory) == 1
    assert coordinator.updates[-1].base_revision == 0
    assert coordinator.updates[-1].revision > coordinator.updates[0].revision
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_full_request_during_delivery_is_answered_next(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    coordinator.silent = True
    running = asyncio.create_task(watch.run())
    watch.session_opened(0)
    await coordinator.heard.wait()
    coordinator.silent = False
    watch.request(full=True)
    await coordinator.applied.wait()
    assert coordinator.updates[-1].base_revision == 0
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_failed_look_is_followed_by_the_next(
    powershell: Any,
    record: Record,
    watch: InventoryWatch,
    coordinator: FakeCoordinator,
    failure: PowerShellFailure,
) -> None:
    powershell.answer("Get-SCCloud", failure)
    running = asyncio.create_task(watch.run())
    watch.session_opened(0.05)
    async with asyncio.timeout(10):
        await powershell.failed.wait()
    assert coordinator.updates == []
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    async with asyncio.timeout(10):
        await coordinator.applied.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.spec("DI-2")
async def test_a_refresh_ends_with_the_revision_the_coordinator_has(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    first = await watch.refresh(everything=False)
    assert first == coordinator.revision
    assert await watch.refresh(everything=False) == first
    powershell.answer("Get-SCCloud", clouds(record, "Gold", "Silver"))
    second = await watch.refresh(everything=False)
    assert (second, coordinator.updates[-1].base_revision) == (coordinator.revision, first)
    assert await watch.refresh(everything=True) == coordinator.revision > second
    assert coordinator.updates[-1].base_revision == 0


@pytest.mark.spec("DI-2", "EN-10")
async def test_a_refresh_without_a_session_goes_on_with_the_next(
    powershell: Any, record: Record, watch: InventoryWatch, coordinator: FakeCoordinator
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold"))
    coordinator.connected = False
    refreshing = asyncio.create_task(watch.refresh(everything=True))
    async with asyncio.timeout(10):
        await coordinator.refused.wait()
        assert not refreshing.done()
        coordinator.connected = True
        watch.session_opened(0)
        assert await refreshing == coordinator.revision


async def test_what_is_remembered_on_disk_follows_the_differences(
    powershell: Any,
    record: Record,
    watch: InventoryWatch,
    base: FakeBase,
) -> None:
    powershell.answer("Get-SCCloud", clouds(record, "Gold", "Silver"))
    assert await watch.look()
    powershell.answer("Get-SCCloud", clouds(record, "Platinum"))
    assert await watch.look()
    revision, digests = base.kept
    assert revision
    assert [key for key in digests if key[0] == "cloud"] == [("cloud", str(UUID(int=1)))]
