"""Unplanned failover, another point, back again and reversal on simulated hosts with real bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from deploy.lab.site import guest_control, ledger
from tests.integration.agent.failover_stage import EAST, WEST, Stage
from tests.integration.agent.test_failover_on_the_lab import (
    link,
    no_effect_twice,
    prepare_hosts,
    protect,
)

POLL_SECONDS = 0.02

Do = Callable[..., Awaitable[CommandResult]]


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    seed = request.node.callspec.params.get("seed", 0) if hasattr(request.node, "callspec") else 0
    made = Stage(tmp_path, seed)
    await made.open()
    yield made
    await made.close()


def last_record(stage: Stage, host: str) -> tuple[int, float]:
    """The newest record of the guest on the disks of one side: its number and time."""
    site = stage.agents[host].site
    vm = site.vm(site.host(host), name="App")
    [file] = site.disk_files(vm).values()
    reading = ledger.read(file)
    return reading.last, reading.last_unix_time


def witnessed(stage: Stage, host: str) -> int:
    site = stage.agents[host].site
    return site.witness(site.vm(site.host(host), name="App")).last()[0]


async def until_written(stage: Stage, host: str, records: int) -> None:
    """Waits until the guest has written so many records more, with a deadline."""
    wanted = witnessed(stage, host) + records
    async with asyncio.timeout(30):
        while True:
            if witnessed(stage, host) >= wanted:
                return
            await asyncio.sleep(POLL_SECONDS)


@pytest.mark.spec("FO-3")
async def test_what_the_replica_told_parts_kept_records_from_lost_ones(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await until_written(stage, EAST, 20)
    await stage.do(EAST, stop_virtual_machine={"vm": stage.vm(EAST), "turn_off": True})
    written = witnessed(stage, EAST)
    over = (await stage.do(WEST, start_failover={"vm": stage.vm(WEST)})).replication
    recovered_until = over.last_replication_time.ToNanoseconds() / 1e9
    kept, kept_at = last_record(stage, WEST)
    assert not over.HasField("failed_over_to")
    # What it holds was written before the moment it told; what it has not, was not.
    assert kept_at <= recovered_until + 0.5
    lost = ledger_after(stage, EAST, kept)
    assert len(lost) == written - kept
    assert all(moment >= recovered_until - 0.5 for moment in lost)


def ledger_after(stage: Stage, host: str, sequence: int) -> list[float]:
    """Times of the records that a side's disks hold beyond one."""
    site = stage.agents[host].site
    vm = site.vm(site.host(host), name="App")
    [file] = site.disk_files(vm).values()
    return [moment for number, moment in ledger.times(file).items() if number > sequence]


async def fail_back(stage: Stage, do: Do, thumbprints: dict[str, str]) -> None:
    """The old primary becomes the replica; both are compared."""
    await do(WEST, complete_failover={"vm": stage.vm(WEST)})
    await do(EAST, stop_virtual_machine={"vm": stage.vm(EAST), "turn_off": True})
    waiting = await do(EAST, make_replica={"vm": stage.vm(EAST)})
    assert (waiting.replication.mode, waiting.replication.state) == (
        "Replica",
        "WaitingForInitialReplication",
    )
    turned = await do(WEST, reverse_replication=link(stage, WEST, EAST, thumbprints))
    assert turned.replication.mode == "Primary"
    await do(WEST, start_initial_replication={"vm": stage.vm(WEST)})
    await stage.until_replicating(WEST)
    await stage.until_replicating(EAST)


@pytest.mark.spec("FO-5")
async def test_the_way_back_after_an_unplanned_failover_compares_both_copies(
    stage: Stage,
) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await until_written(stage, EAST, 10)
    # The primary went on alone for a while: it has what nobody else has.
    await stage.do(WEST, start_failover={"vm": stage.vm(WEST)})
    await until_written(stage, EAST, 10)
    await stage.do(WEST, start_virtual_machine={"vm": stage.vm(WEST)})
    await until_written(stage, WEST, 10)
    await fail_back(stage, stage.do, thumbprints)
    no_effect_twice(stage)
    # And home with everything, by plan.
    await stage.do(WEST, stop_virtual_machine={"vm": stage.vm(WEST)})
    await stage.do(WEST, prepare_failover={"vm": stage.vm(WEST)})
    await stage.do(EAST, start_failover={"vm": stage.vm(EAST)})
    assert last_record(stage, EAST) == last_record(stage, WEST)


@pytest.mark.spec("FO-5")
@pytest.mark.parametrize("do", ["do", "do_with_crash"])
async def test_an_old_primary_that_its_host_saved_when_it_was_shut_down_becomes_the_replica(
    stage: Stage, do: str
) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    east = stage.agents[EAST].site
    await guest_control.save_state(
        east, east.host(EAST), east.vm(east.host(EAST), name="App"), None
    )
    await stage.do(WEST, start_failover={"vm": stage.vm(WEST)})
    await fail_back(stage, getattr(stage, do), thumbprints)
    saved = [key for key in stage.effects() if key[1] == "vm.saved_state_removed"]
    assert len(saved) == 1
    no_effect_twice(stage)


@pytest.mark.spec("JB-3")
@pytest.mark.parametrize("seed", [4, 5])
async def test_an_agent_that_dies_in_every_command_gets_home_without_a_double_effect(
    stage: Stage, seed: int
) -> None:
    assert seed
    do = stage.do_with_crash
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await do(EAST, stop_virtual_machine={"vm": stage.vm(EAST), "turn_off": True})
    await do(WEST, start_failover={"vm": stage.vm(WEST)})
    await do(WEST, start_virtual_machine={"vm": stage.vm(WEST)})
    await fail_back(stage, do, thumbprints)
    no_effect_twice(stage)


@pytest.mark.spec("FO-4")
async def test_a_cancelled_failover_leaves_both_sides_as_they_were(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await stage.do(EAST, stop_virtual_machine={"vm": stage.vm(EAST)})
    await stage.do(EAST, prepare_failover={"vm": stage.vm(EAST)})
    before = last_record(stage, WEST)
    await stage.do(WEST, start_failover={"vm": stage.vm(WEST)})
    await stage.do(WEST, start_virtual_machine={"vm": stage.vm(WEST)})
    await until_written(stage, WEST, 5)
    replica = (await stage.do(WEST, cancel_failover={"vm": stage.vm(WEST)})).replication
    assert (replica.mode, replica.state, replica.vm_state) == ("Replica", "Replicating", "Off")
    assert last_record(stage, WEST) == before
    source = (await stage.do(EAST, cancel_failover={"vm": stage.vm(EAST)})).replication
    assert (source.mode, source.state) == ("Primary", "Replicating")
    await stage.do(EAST, start_virtual_machine={"vm": stage.vm(EAST)})
    await until_written(stage, EAST, 5)
    # A second time it is there already.
    again = (await stage.do(EAST, cancel_failover={"vm": stage.vm(EAST)})).replication
    assert again.state == "Replicating"
    no_effect_twice(stage)


@pytest.mark.spec("FO-2")
@pytest.mark.parametrize(("former", "state"), [("Running", "Running"), ("Off", "Off")])
async def test_only_what_ran_before_is_started_again(stage: Stage, former: str, state: str) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await stage.do(EAST, stop_virtual_machine={"vm": stage.vm(EAST)})
    await stage.do(EAST, prepare_failover={"vm": stage.vm(EAST)})
    await stage.do(EAST, cancel_failover={"vm": stage.vm(EAST)})
    undone = await stage.do(
        EAST, start_virtual_machine={"vm": stage.vm(EAST), "former_state": former}
    )
    assert undone.virtual_machine.state == state
