"""Watching the folders of offline first copies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from opensiterecovery.provider.v1 import first_copy_pb2, session_pb2

from agent.fabric.first_copy_watch import INTERVAL_SECONDS, FirstCopyWatch
from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import PowerShellGone
from agent.powershell.records import PSRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VM1, VM2 = "0b0c3a4e-6d3f-4a39-9a57-0a4c9f3f2a11", "0b0c3a4e-6d3f-4a39-9a57-0a4c9f3f2a12"
HOST, PATH = "hv1.shanghai", r"\\Files\Out"


class FakeFolders:
    """A PowerShell that knows the folders of one path."""

    def __init__(self) -> None:
        self.folders: dict[str, tuple[int, int]] = {}
        self.calls = 0
        self.broken = False

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        assert time_limit_seconds > 0
        assert pipeline[0].name == "Get-OsrInitialReplication"
        assert dict(pipeline[0].parameters) == {"ComputerName": HOST, "Path": PATH}
        self.calls += 1
        if self.broken:
            raise PowerShellGone("it left")
        return [
            PSRecord({"Name": name, "Files": files, "SizeBytes": size, "NewestWrite": NOON})
            for name, (files, size) in self.folders.items()
        ]


class Clock:
    """Stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_interval(self) -> None:
        self.now += timedelta(seconds=INTERVAL_SECONDS)


class Sent:
    def __init__(self) -> None:
        self.connected = True
        self.folders: list[Sequence[first_copy_pb2.FirstCopyFolder]] = []
        self.heard = asyncio.Event()

    async def send(self, message: session_pb2.AgentMessage) -> bool:
        if self.connected:
            assert message.first_copies.observed_at.ToDatetime(tzinfo=UTC) >= NOON
            self.folders.append(list(message.first_copies.folders))
            self.heard.set()
        return self.connected

    def last(self) -> list[tuple[str, str, int, bool]]:
        return sorted(
            (each.vm_id, each.folder, each.size_bytes, each.settled) for each in self.folders[-1]
        )


@pytest.fixture
def folders() -> FakeFolders:
    return FakeFolders()


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(folders: FakeFolders, sent: Sent, clock: Clock) -> FirstCopyWatch:
    made = FirstCopyWatch(folders, sent.send, INTERVAL_SECONDS, clock)
    made.watch(
        first_copy_pb2.FirstCopyPlace(vm_id=vm_id, host=HOST, path=PATH) for vm_id in (VM1, VM2)
    )
    return made


@pytest.mark.spec("OF-1")
async def test_a_path_is_read_once_for_all_machines_and_only_news_is_told(
    watch: FirstCopyWatch, folders: FakeFolders, sent: Sent, clock: Clock
) -> None:
    name = f"App_{VM1.upper()}"
    folders.folders = {name: (1, 100)}
    await watch.look()
    assert folders.calls == 1
    assert sent.last() == [(VM1, name, 100, False), (VM2, "", 0, False)]
    clock.pass_interval()
    await watch.look()
    assert sent.last() == [(VM1, name, 100, True)]
    await watch.look()
    assert len(sent.folders) == 2
    folders.folders = {name: (2, 200)}
    await watch.look()
    assert sent.last() == [(VM1, name, 200, False)]
    folders.folders = {}
    await watch.look()
    assert sent.last() == [(VM1, "", 0, False)]


async def test_what_could_not_be_told_is_told_later_and_all_of_it_in_a_new_session(
    watch: FirstCopyWatch, folders: FakeFolders, sent: Sent
) -> None:
    sent.connected = False
    await watch.look()
    sent.connected = True
    await watch.look()
    assert len(sent.last()) == 2
    watch.session_opened(1.0)
    await watch.look()
    assert len(sent.folders) == 2


async def test_a_path_that_cannot_be_read_is_not_taken_for_an_empty_one(
    watch: FirstCopyWatch, folders: FakeFolders, sent: Sent
) -> None:
    folders.folders = {f"App_{VM1}": (1, 100)}
    await watch.look()
    folders.broken = True
    await watch.look()
    assert len(sent.folders) == 1


async def test_nothing_is_asked_when_nothing_is_watched(
    watch: FirstCopyWatch, folders: FakeFolders, sent: Sent
) -> None:
    watch.watch([])
    await watch.look()
    assert (folders.calls, sent.folders) == (0, [])


@pytest.mark.spec("OF-1")
async def test_two_looks_close_together_do_not_make_a_folder_settled(
    watch: FirstCopyWatch, folders: FakeFolders, sent: Sent, clock: Clock
) -> None:
    """The list is new each time a machine is added: whoever copies has not stopped meanwhile."""
    folders.folders = {f"App_{VM1}": (1, 100)}
    await watch.look()
    clock.now += timedelta(seconds=1)
    await watch.look()
    assert sent.last()[0] == (VM1, f"App_{VM1}", 100, False)
    assert len(sent.folders) == 1
    clock.pass_interval()
    await watch.look()
    assert sent.last() == [(VM1, f"App_{VM1}", 100, True)]


class HangingPath:
    """A PowerShell whose pipelines for one host never end."""

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        assert time_limit_seconds > 0
        if pipeline[0].parameters["ComputerName"] == HOST:
            await asyncio.Event().wait()
        return []


@pytest.mark.spec("OF-1")
async def test_a_path_that_does_not_answer_holds_up_no_other(sent: Sent, clock: Clock) -> None:
    watch = FirstCopyWatch(HangingPath(), sent.send, 0.05, clock)
    watch.watch(
        first_copy_pb2.FirstCopyPlace(vm_id=VM1, host=host, path=PATH) for host in (HOST, "hv2")
    )
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        await sent.heard.wait()
    assert [each.host for each in sent.folders[0]] == ["hv2"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
