"""Watching the folders of offline first copies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from opensiterecovery.provider.v1 import first_copy_pb2, session_pb2

from agent.fabric.first_copy_watch import FirstCopyWatch
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


class Sent:
    def __init__(self) -> None:
        self.connected = True
        self.folders: list[Sequence[first_copy_pb2.FirstCopyFolder]] = []

    async def send(self, message: session_pb2.AgentMessage) -> bool:
        if self.connected:
            assert message.first_copies.observed_at.ToDatetime(tzinfo=UTC) == NOON
            self.folders.append(list(message.first_copies.folders))
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
def watch(folders: FakeFolders, sent: Sent) -> FirstCopyWatch:
    made = FirstCopyWatch(folders, sent.send, clock=lambda: NOON)
    made.watch(
        first_copy_pb2.FirstCopyPlace(vm_id=vm_id, host=HOST, path=PATH) for vm_id in (VM1, VM2)
    )
    return made


@pytest.mark.spec("OF-1")
async def test_a_path_is_read_once_for_all_machines_and_only_news_is_told(
    watch: FirstCopyWatch, folders: FakeFolders, sent: Sent
) -> None:
    name = f"App_{VM1.upper()}"
    folders.folders = {name: (1, 100)}
    await watch.look()
    assert folders.calls == 1
    assert sent.last() == [(VM1, name, 100, False), (VM2, "", 0, False)]
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
