"""Offline first copies, existing copies and taking over, on hosts with real bytes and deaths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from deploy.lab.site.model import VmCheckpoint
from deploy.lab.site.replicator import send_now
from deploy.lab.site.transfer_paths import LOCAL_PATH, TransferPaths, accounts, carry
from tests.integration.agent.failover_stage import EAST, WEST, Stage
from tests.integration.agent.test_failover_on_the_lab import (
    link,
    no_effect_twice,
    prepare_hosts,
    protect,
)

Do = Callable[..., Awaitable[CommandResult]]
SETTINGS = {"compression": True, "frequency_seconds": 30, "recovery_points": 2}


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    seed = request.node.callspec.params["seed"] if hasattr(request.node, "callspec") else 0
    made = Stage(tmp_path, seed)
    await made.open()
    yield made
    await made.close()


def folder(stage: Stage, host: str) -> Path:
    found = TransferPaths(stage.agents[host].site).folder(host, LOCAL_PATH)
    assert found is not None
    return found


async def exported(stage: Stage) -> None:
    """Reads until the export has ended."""
    site = stage.agents[EAST].site
    vm = site.vm(site.hosts[0], name="App")
    for _ in range(400):
        if vm.replication and vm.replication.export and vm.replication.export.finished:
            return
        await stage.do(EAST, read_replication={"vm": stage.vm(EAST)})
    pytest.fail("the export never ended")


async def until_in_error(stage: Stage) -> None:
    for _ in range(400):
        seen = await stage.do(EAST, read_replication={"vm": stage.vm(EAST)})
        if seen.replication.state == "Error":
            return
    pytest.fail("the primary never came to grief")


async def refused(stage: Stage, host: str, **verb: object) -> CommandResult:
    """Runs a command that must fail; gives its result."""
    agent, command = stage.agents[host], stage.command(**verb)
    async with agent.life() as executor:
        await executor.deliver(command)
        result = await agent.result(command.command_id)
    assert result.HasField("failure"), str(result)
    return result


@pytest.mark.spec("OF-1", "OF-2")
@pytest.mark.parametrize("seed", range(6))
async def test_a_first_copy_is_exported_carried_and_imported_whatever_dies(
    stage: Stage, seed: int
) -> None:
    calls = [stage.do, stage.do_with_crash, stage.do_with_powershell_killed]
    do = calls[seed % 3]
    thumbprints = await prepare_hosts(stage, stage.do)
    for host in (EAST, WEST):
        granted = await do(host, grant_replication_path={"host": host, "path": LOCAL_PATH})
        access = {each.role: each for each in granted.replication_path.access}
        assert access["HostComputer"].ntfs == "FullControl"
    await do(EAST, enable_replication=link(stage, EAST, WEST, thumbprints) | SETTINGS)
    begun = await do(
        EAST, export_initial_replication={"vm": stage.vm(EAST), "export_path": LOCAL_PATH}
    )
    assert begun.replication.state == "InitialReplicationInProgress"
    await exported(stage)

    missing = await stage.do(WEST, read_first_copy={"vm": stage.vm(WEST), "path": LOCAL_PATH})
    assert missing.first_copy.folder == ""
    [name] = carry(folder(stage, EAST), folder(stage, WEST))
    out = await stage.do(EAST, read_first_copy={"vm": stage.vm(EAST), "path": LOCAL_PATH})
    there = await stage.do(WEST, read_first_copy={"vm": stage.vm(WEST), "path": LOCAL_PATH})
    assert (out.first_copy.folder, out.first_copy.size_bytes) == (name, there.first_copy.size_bytes)
    assert name.endswith(stage.vm_id.upper())

    imported = await do(
        WEST,
        import_initial_replication={"vm": stage.vm(WEST), "folder": rf"{LOCAL_PATH}\{name}"},
    )
    assert (imported.replication.mode, imported.replication.state) == ("Replica", "Replicating")
    await stage.until_replicating(EAST)
    no_effect_twice(stage)


@pytest.mark.spec("OF-1")
async def test_an_export_is_given_up_while_it_runs_and_not_afterwards(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await stage.do(EAST, grant_replication_path={"host": EAST, "path": LOCAL_PATH})
    await stage.do(EAST, enable_replication=link(stage, EAST, WEST, thumbprints) | SETTINGS)
    export = {"vm": stage.vm(EAST), "export_path": LOCAL_PATH}
    site = stage.agents[EAST].site
    site.faults.bandwidth_bytes_per_second = 256 * 1024
    await stage.do(EAST, export_initial_replication=export)
    stopped = await stage.do(EAST, stop_initial_replication={"vm": stage.vm(EAST)})
    assert stopped.replication.state == "ReadyForInitialReplication"
    site.faults.bandwidth_bytes_per_second = None
    await stage.do(EAST, export_initial_replication=export)
    await exported(stage)
    result = await refused(stage, EAST, stop_initial_replication={"vm": stage.vm(EAST)})
    assert result.failure.code == "InvalidState"


@pytest.mark.spec("OF-2")
async def test_what_an_account_lacks_is_seen_and_what_cannot_be_granted_is_said(
    stage: Stage,
) -> None:
    site = stage.agents[EAST].site
    paths = TransferPaths(site)
    records = paths.load()
    known = accounts(site)
    del records.paths[0].rights[known.run_as]
    records.paths[0].grantable = False
    paths.save(records)
    seen = await stage.do(EAST, check_replication_path={"host": EAST, "path": LOCAL_PATH})
    access = {each.role: each for each in seen.replication_path.access}
    assert seen.replication_path.exists
    assert (access["VmmService"].account, access["VmmService"].ntfs) == (
        known.vmm_service,
        "FullControl",
    )
    assert (access["RunAs"].account, access["RunAs"].ntfs) == (known.run_as, "None")
    assert access["HostComputer"].account == r"CONTOSO\HV-E1$"
    gone = await stage.do(EAST, check_replication_path={"host": EAST, "path": r"\\Nobody\Seed"})
    assert not gone.replication_path.exists
    assert (gone.replication_path.file_server, gone.replication_path.share) == ("Nobody", "Seed")

    result = await refused(stage, EAST, grant_replication_path={"host": EAST, "path": LOCAL_PATH})
    assert result.failure.code == "31218"
    assert r"Grant CONTOSO\HV-E1$ NTFS Full Control" in result.failure.recommended_action


@pytest.mark.spec("RE-7")
async def test_a_former_replica_is_compared_with(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    # What a guest writes meanwhile differs, the more of it the slower this computer is; a planned
    # failover that is prepared has sent all of it.
    await stage.do(EAST, stop_virtual_machine={"vm": stage.vm(EAST)})
    await stage.do(EAST, prepare_failover={"vm": stage.vm(EAST)})
    await stage.do(EAST, cancel_failover={"vm": stage.vm(EAST)})
    for host in (EAST, WEST):
        await stage.do(host, remove_replication={"vm": stage.vm(host)})
    request = {"vm": stage.vm(WEST), "allowed_primary_server": EAST}
    waiting = await stage.do(WEST, enable_as_replica=request)
    assert waiting.replication.state == "WaitingForInitialReplication"
    sent = stage.agents[EAST].site.sent_bytes
    await stage.do(EAST, enable_replication=link(stage, EAST, WEST, thumbprints) | SETTINGS)
    await stage.do(EAST, start_initial_replication={"vm": stage.vm(EAST), "use_backup": True})
    await stage.until_replicating(EAST)
    await stage.until_replicating(WEST)
    assert stage.agents[EAST].site.sent_bytes - sent < 3 * 1024**2 // 2


@pytest.mark.spec("RE-7")
async def test_a_copy_that_cannot_be_used_says_why(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    for host in (EAST, WEST):
        await stage.do(host, remove_replication={"vm": stage.vm(host)})
    request = {"vm": stage.vm(WEST), "allowed_primary_server": EAST}

    await stage.do(WEST, start_virtual_machine={"vm": stage.vm(WEST)})
    running = await refused(stage, WEST, enable_as_replica=request)
    assert running.failure.code == "ExistingCopyRunning"
    await stage.do(WEST, stop_virtual_machine={"vm": stage.vm(WEST)})
    west = stage.agents[WEST].site
    vm = west.vm(west.hosts[0], name="App")
    vm.checkpoints.append(
        VmCheckpoint(id="5d1a0000-0000-4000-8000-000000000000", name="c", created=vm.created)
    )
    held = await refused(stage, WEST, enable_as_replica=request)
    assert held.failure.code == "ExistingCopyHasCheckpoints"


@pytest.mark.spec("RE-6")
async def test_a_replica_is_told_by_whom_it_is_sent_to_once(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    west = stage.agents[WEST].site
    replication = west.vm(west.hosts[0], name="App").replication
    assert replication is not None
    replication.allowed_primary_server = "*.contoso.com"
    request = {"vm": stage.vm(WEST), "allowed_primary_server": EAST}
    for _ in range(2):
        await stage.do(WEST, set_allowed_primary_server=request)
    assert replication.allowed_primary_server == EAST
    changed = [key for key in stage.effects() if key[1] == "replication.changed"]
    assert len(changed) == 1
    wrong = await refused(
        stage,
        EAST,
        set_allowed_primary_server={"vm": stage.vm(EAST), "allowed_primary_server": "x"},
    )
    assert wrong.failure.code == "ReplicationNotReady"


@pytest.mark.spec("RE-6")
@pytest.mark.parametrize("seed", range(3))
async def test_taking_a_replication_over_sends_next_to_nothing(stage: Stage, seed: int) -> None:
    """It was set up by hand for any server; pairing then listed the servers, which stopped it."""
    do = [stage.do, stage.do_with_crash, stage.do_with_powershell_killed][seed]
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    east, west = stage.agents[EAST].site, stage.agents[WEST].site
    replica = west.vm(west.hosts[0], name="App").replication
    assert replica is not None
    replica.allowed_primary_server, replica.trust_group = "*", "DEFAULT"
    vm = east.vm(east.hosts[0], name="App")
    send_now(east, vm)
    await until_in_error(stage)
    await stage.do(EAST, stop_virtual_machine={"vm": stage.vm(EAST)})
    sent = east.sent_bytes

    await do(
        WEST, set_allowed_primary_server={"vm": stage.vm(WEST), "allowed_primary_server": EAST}
    )
    changes = {"frequency_seconds": 300, "recovery_points": 6, "compression": False}
    changed = await do(EAST, change_replication={"vm": stage.vm(EAST), **changes})
    assert changed.replication.frequency_seconds == 300
    await do(EAST, resume_replication={"vm": stage.vm(EAST)})
    await stage.until_replicating(EAST)
    await stage.until_replicating(WEST)
    assert vm.replication is not None
    assert (vm.replication.recovery_history, vm.replication.compression) == (6, False)
    # Only what the guest wrote meanwhile: its disk has 3 MiB.
    assert east.sent_bytes - sent < 1024**2
    no_effect_twice(stage)
