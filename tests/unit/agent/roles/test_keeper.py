"""What the keeper of roles does when hosts break, hang, or are worked at by others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from opensiterecovery.provider.v1.role_pb2 import (
    ROLE_ACTIVE,
    ROLE_HELD,
    ROLE_REPLICA,
    HeldCopy,
    Role,
    RoleAssignment,
)
from opensiterecovery.provider.v1.session_pb2 import AgentMessage

from agent.clock import utc_now
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.journal.roles import RoleStore
from agent.roles.keeper import KeeperParts, KeeperSettings, RoleKeeper
from agent.session.turns import MachineTurns
from tests.unit.agent.roles.fake_copies import ADAPTER, SWITCH, FakeCopies, FakeCopy

pytestmark = pytest.mark.spec("FO-7")

ONE, OTHER = "hv1.test", "hv2.test"
VM, SECOND = UUID(int=1), UUID(int=2)


class Kept:
    """A keeper with its hosts, and what it told."""

    def __init__(self, folder: Path, *copies: FakeCopy, elsewhere: FakeCopy | None = None) -> None:
        self.copies = copies
        self.hosts = FakeCopies(**{ONE: list(copies), OTHER: [elsewhere] if elsewhere else []})
        self.database = Database(folder / "journal.sqlite3")
        self.store = RoleStore(self.database)
        self.told: list[dict[str, HeldCopy]] = []
        self.news = asyncio.Event()
        keys = HostKeyStore(self.database, utc_now)
        parts = KeeperParts(self.hosts, keys, self.store, MachineTurns(), self._send)
        self.keeper = RoleKeeper(parts, settings=KeeperSettings(interval_seconds=0.02))

    async def _send(self, message: AgentMessage) -> bool:
        self.told.append({each.item_id: each for each in message.role_report.copies})
        self.news.set()
        return True

    async def assign(self, role: Role.ValueType, epoch: int = 2, **hosts: str) -> None:
        given = [
            RoleAssignment(
                item_id=str(vm_id.int),
                vm_id=str(vm_id),
                location="Primary",
                host=hosts.get(f"host{vm_id.int}", ONE),
                epoch=epoch,
                role=role,
                automatic_start_action="Start",
            )
            for vm_id in (VM, SECOND)
            if any(copy.vm_id == vm_id for each in self.hosts.hosts.values() for copy in each)
        ]
        await self.keeper.assigned(given)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    kept: list[Kept] = []

    def make(*copies: FakeCopy, elsewhere: FakeCopy | None = None) -> Kept:
        kept.append(Kept(tmp_path, *copies, elsewhere=elsewhere))
        return kept[-1]

    yield make
    for each in kept:
        each.database.close()


@pytest.fixture
async def running(made: Callable[..., Kept]) -> AsyncIterator[Kept]:
    """A keeper that runs, with a copy on each of two hosts."""
    kept = made(FakeCopy(VM), elsewhere=FakeCopy(SECOND))
    task = asyncio.create_task(kept.keeper.run())
    yield kept
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_a_host_may_start_does_not_keep_a_copy_from_being_held(
    made: Callable[..., Kept],
) -> None:
    kept = made(FakeCopy(VM, "Running", "Start"))
    kept.hosts.breaks("Set-VM")
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    assert (kept.copies[0].state, kept.copies[0].switches) == ("Off", {ADAPTER: ""})
    assert kept.told[-1]["1"].held
    kept.hosts.broken.clear()
    await kept.keeper.keep()
    assert kept.copies[0].start_action == "Nothing"


async def test_a_copy_that_cannot_be_held_is_told_of_with_the_reason(
    made: Callable[..., Kept],
) -> None:
    kept = made(FakeCopy(VM, "Running"))
    kept.hosts.breaks("Stop-VM")
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    assert not kept.told[-1]["1"].held
    assert "cannot be performed" in kept.told[-1]["1"].trouble
    assert kept.copies[0].switches == {ADAPTER: ""}
    kept.hosts.broken.clear()
    await kept.keeper.keep()
    assert (kept.told[-1]["1"].held, kept.told[-1]["1"].trouble) == (True, "")


async def test_a_host_that_does_not_tell_its_machines_is_told_of(
    made: Callable[..., Kept],
) -> None:
    kept = made(FakeCopy(VM, "Running"))
    kept.hosts.breaks("Get-VM")
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    assert f"{ONE} does not tell its machines" in kept.told[-1]["1"].trouble
    await kept.assign(ROLE_REPLICA, epoch=3)
    await kept.keeper.keep()
    assert kept.told[-1] == {}


async def test_a_held_copy_that_somebody_connects_is_disconnected_and_goes_back_to_there(
    made: Callable[..., Kept],
) -> None:
    kept = made(FakeCopy(VM))
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    kept.copies[0].switches[ADAPTER] = "Other"
    await kept.keeper.keep()
    assert kept.copies[0].switches == {ADAPTER: ""}
    await kept.assign(ROLE_ACTIVE, epoch=3)
    await kept.keeper.keep()
    assert kept.copies[0].switches == {ADAPTER: "Other"}


async def test_adapters_go_back_exactly_to_where_they_were(made: Callable[..., Kept]) -> None:
    switches = {"A1": "Front", "A2": "", "A3": "Back", "A4": "Front"}
    kept = made(FakeCopy(VM, "Running", switches=dict(switches)))
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    assert set(kept.copies[0].switches.values()) == {""}
    await kept.assign(ROLE_REPLICA, epoch=3)
    await kept.keeper.keep()
    assert kept.copies[0].switches == switches


async def test_a_copy_whose_release_broke_off_is_held_again_wholly(
    made: Callable[..., Kept],
) -> None:
    kept = made(FakeCopy(VM, switches={"A1": "Front", "A2": "Back"}))
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    await kept.assign(ROLE_REPLICA, epoch=3)
    # As if the agent had died between the two.
    [copy] = kept.store.copies()
    kept.store.mark_held(copy, held=False)
    kept.copies[0].switches["A1"] = "Front"
    await kept.assign(ROLE_HELD, epoch=4)
    await kept.keeper.keep()
    assert kept.copies[0].switches == {"A1": "", "A2": ""}
    await kept.assign(ROLE_REPLICA, epoch=5)
    await kept.keeper.keep()
    assert kept.copies[0].switches == {"A1": "Front", "A2": "Back"}


async def test_what_is_protected_no_more_and_is_off_is_given_back_when_it_runs(
    made: Callable[..., Kept],
) -> None:
    """It may have been failed over, and its protection ended, while this server was away."""
    kept = made(FakeCopy(VM))
    await kept.assign(ROLE_ACTIVE, epoch=1)
    await kept.keeper.assigned([])
    for _ in range(2):
        await kept.keeper.keep()
        assert kept.copies[0].start_action == "Nothing"
    kept.copies[0].state = "Running"
    await kept.keeper.keep()
    assert kept.copies[0].start_action == "Start"
    assert kept.store.copies() == []


async def test_of_many_copies_those_that_run_are_held_first(made: Callable[..., Kept]) -> None:
    kept = made(FakeCopy(VM), FakeCopy(SECOND, "Running"))
    await kept.assign(ROLE_HELD)
    await kept.keeper.keep()
    disconnected = [vm_id for name, vm_id in kept.hosts.did if name.startswith("Disconnect")]
    assert disconnected == [SECOND, VM]


async def test_a_host_that_does_not_answer_keeps_no_other_one_waiting(running: Kept) -> None:
    running.hosts.answers[ONE].clear()
    await running.assign(ROLE_HELD, host2=OTHER)
    elsewhere = running.hosts.hosts[OTHER][0]
    await running.until(lambda: bool(running.told) and running.told[-1].get("2", HeldCopy()).held)
    assert elsewhere.switches == {ADAPTER: ""}
    assert running.copies[0].switches == {ADAPTER: SWITCH}
    # Nor does it when the next decision comes.
    await running.assign(ROLE_REPLICA, epoch=3, host2=OTHER)
    await running.until(lambda: "2" not in running.told[-1])
    assert elsewhere.switches == {ADAPTER: SWITCH}
    await running.assign(ROLE_HELD, epoch=4, host2=OTHER)
    running.hosts.answers[ONE].set()
    await running.until(lambda: running.told[-1].get("1", HeldCopy()).held)
    assert running.copies[0].switches == {ADAPTER: ""}
