"""Moving a replica's storage and limiting bandwidth on simulated hosts, with deaths on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from deploy.lab.site.model import FileShare
from tests.integration.agent.failover_stage import EAST, WEST, Stage
from tests.integration.agent.test_failover_on_the_lab import prepare_hosts, protect

SHARE = r"\\FileServer\TargetShare1"


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    seed = request.node.callspec.params["seed"] if hasattr(request.node, "callspec") else 0
    made = Stage(tmp_path, seed)
    await made.open()
    yield made
    await made.close()


def add_share(stage: Stage, free_bytes: int = 1024**3) -> None:
    stage.agents[WEST].site.vmm.file_shares.append(
        FileShare(
            id="0b9ad2a8-8c40-4b53-9d77-7c1f76b7f0aa",
            name="TargetShare1",
            path=SHARE,
            classification="GOLD_TARGET",
            free_bytes=free_bytes,
            hosts=[WEST],
        )
    )


def move(stage: Stage, host: str = WEST, **more: object) -> dict[str, object]:
    disk = {"file_name": "app.vhdx", "storage_location": SHARE}
    vm = {"vm_id": stage.vm_id, "host": host}
    return {"vm": vm, "disks": [disk], "configuration_location": SHARE} | more


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.spec("ST-2")
async def test_the_replica_is_moved_once_whatever_dies(stage: Stage, seed: int) -> None:
    add_share(stage)
    await protect(stage, stage.do, await prepare_hosts(stage, stage.do))
    act = stage.do_with_crash if seed % 2 else stage.do_with_powershell_killed
    result = await act(WEST, move_replica_storage=move(stage))
    folder = rf"{SHARE}\Hyper-V Replica\Virtual hard disks\{stage.vm_id.upper()}"
    assert list(result.replica_storage.disk_paths) == [rf"{folder}\App.vhdx"]
    assert result.replica_storage.host == WEST
    again = await stage.do(WEST, move_replica_storage=move(stage))
    assert again.replica_storage == result.replica_storage
    moves = [key for key in stage.effects() if key[1] == "storage.moved"]
    assert len(moves) == 1
    [vm] = stage.agents[WEST].site.virtual_machines
    assert vm.path == rf"{SHARE}\Hyper-V Replica\Virtual Machines\{stage.vm_id.upper()}"


@pytest.mark.spec("ST-2")
async def test_the_replica_is_found_on_another_node_of_its_cluster(stage: Stage) -> None:
    add_share(stage)
    await protect(stage, stage.do, await prepare_hosts(stage, stage.do))
    missing = await failed(stage, move_replica_storage=move(stage, "hv-w9.contoso.com"))
    assert "hv-w9.contoso.com" in missing.failure.message
    result = await stage.do(
        WEST,
        move_replica_storage=move(
            stage, "hv-w1.contoso.com", other_hosts=["hv-w9.contoso.com", WEST]
        ),
    )
    assert result.replica_storage.host == WEST


async def failed(stage: Stage, **verb: object) -> CommandResult:
    agent, command = stage.agents[WEST], stage.command(**verb)
    async with agent.life() as executor:
        await executor.deliver(command)
        result = await agent.result(command.command_id)
    assert result.HasField("failure")
    return result


@pytest.mark.spec("ST-2")
async def test_a_place_without_room_and_an_unknown_disk_are_told_and_nothing_moves(
    stage: Stage,
) -> None:
    add_share(stage, free_bytes=4096)
    await protect(stage, stage.do, await prepare_hosts(stage, stage.do))
    full = await failed(stage, move_replica_storage=move(stage))
    assert "0x80070070" in full.failure.message + full.failure.powershell.message
    other = {"file_name": "Other.vhdx", "storage_location": SHARE}
    unknown = await failed(stage, move_replica_storage=move(stage, disks=[other]))
    assert unknown.failure.code == "ReplicaDiskNotFound"
    assert "storage.moved" not in stage.names_of_effects()


def limits(*pairs: tuple[int, int]) -> dict[str, object]:
    return {
        "host": EAST,
        "limits": [{"port": port, "bits_per_second": bits} for port, bits in pairs],
    }


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.spec("CA-2")
async def test_limits_are_made_changed_and_removed_once_whatever_dies(
    stage: Stage, seed: int
) -> None:
    act = stage.do_with_crash if seed % 2 else stage.do_with_powershell_killed
    [host] = stage.agents[EAST].site.hosts
    made = await act(EAST, set_bandwidth_limit=limits((8083, 1_000_000), (8084, 2_000_000)))
    # Rates come back as the host keeps them, in whole KiB a second.
    assert [(each.port, each.bits_per_second) for each in made.bandwidth_limit.limits] == [
        (8083, 1_007_616),
        (8084, 2_007_040),
    ]
    await stage.do(EAST, set_bandwidth_limit=limits((8083, 1_000_000), (8084, 2_000_000)))
    changed = await act(EAST, set_bandwidth_limit=limits((8084, 3_000_000)))
    assert [each.port for each in changed.bandwidth_limit.limits] == [8084]
    assert [policy.destination_port_start for policy in host.qos_policies] == [8084]
    assert host.qos_policies[0].name == "Open Site Recovery replication to port 8084"
    removed = await act(EAST, set_bandwidth_limit=limits())
    assert list(removed.bandwidth_limit.limits) == []
    assert host.qos_policies == []
    counted = [effect for _, effect, _ in stage.effects() if effect.startswith("qos_policy")]
    assert sorted(counted) == [
        "qos_policy.added",
        "qos_policy.added",
        "qos_policy.changed",
        "qos_policy.removed",
        "qos_policy.removed",
    ]
