"""Test failover and its clean-up on simulated hosts with real bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from deploy.lab.site.model import VirtualMachine, VMState
from tests.integration.agent.failover_stage import EAST, WEST, Stage
from tests.integration.agent.test_failover_on_the_lab import (
    no_effect_twice,
    prepare_hosts,
    protect,
)


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    seed = request.node.callspec.params.get("seed", 0) if hasattr(request.node, "callspec") else 0
    made = Stage(tmp_path, seed)
    await made.open()
    yield made
    await made.close()


def machine_of_test(stage: Stage) -> VirtualMachine | None:
    site = stage.agents[WEST].site
    return site.test_machine(site.vm(site.host(WEST), name="App"))


async def told(stage: Stage, host: str, **verb: object) -> CommandResult:
    """A result, whatever it is."""
    agent, command = stage.agents[host], stage.command(**verb)
    async with agent.life() as executor:
        await executor.deliver(command)
        return await agent.result(command.command_id)


@pytest.mark.spec("FO-1")
async def test_a_drill_leaves_production_and_replica_as_they_are(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    made = (await stage.do(WEST, start_test_failover={"vm": stage.vm(WEST)})).test_virtual_machine
    assert made.test_vm_name == "App - Test"
    assert made.HasField("last_replication_time")
    side = (await stage.do(WEST, read_replication={"vm": stage.vm(WEST)})).replication
    assert (side.mode, side.state, side.vm_state) == ("Replica", "Replicating", "Off")
    assert (side.test_vm_id, side.test_vm_name) == (made.test_vm_id, "App - Test")
    again = (await stage.do(WEST, start_test_failover={"vm": stage.vm(WEST)})).test_virtual_machine
    assert again.test_vm_id == made.test_vm_id
    tested = {"vm_id": made.test_vm_id, "host": made.host}
    started = (await stage.do(WEST, start_virtual_machine={"vm": tested})).virtual_machine
    assert (started.state, started.replication_mode) == ("Running", "TestReplica")
    found = machine_of_test(stage)
    assert found is not None
    assert found.state is VMState.RUNNING
    east = stage.agents[EAST].site
    assert east.vm(east.host(EAST), name="App").state is VMState.RUNNING
    gone = await stage.do(WEST, stop_test_failover={"vm": stage.vm(WEST)})
    assert gone.test_virtual_machine_removed.test_vm_id == made.test_vm_id
    nothing = await stage.do(WEST, stop_test_failover={"vm": stage.vm(WEST)})
    assert nothing.test_virtual_machine_removed.test_vm_id == ""
    assert machine_of_test(stage) is None
    no_effect_twice(stage)


async def test_what_cannot_be_tested_is_refused_with_what_would_help(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    primary = await told(stage, EAST, start_test_failover={"vm": stage.vm(EAST)})
    assert primary.failure.code == "ReplicationNotReady"
    point = {"vm": stage.vm(WEST), "recovery_point_id": "11111111-2222-3333-4444-555555555555"}
    missing = await told(stage, WEST, start_test_failover=point)
    assert missing.failure.code == "RecoveryPointNotFound"
    await stage.do(WEST, start_test_failover={"vm": stage.vm(WEST)})
    real = await told(stage, WEST, start_failover={"vm": stage.vm(WEST)})
    assert real.failure.recommended_action
    assert machine_of_test(stage) is not None


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("trouble", ["do_with_crash", "do_with_powershell_killed"])
async def test_a_drill_survives_agents_and_powershells_that_die(
    stage: Stage, seed: int, trouble: str
) -> None:
    del seed  # the stage's
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    do = getattr(stage, trouble)
    for _ in range(2):
        made = (await do(WEST, start_test_failover={"vm": stage.vm(WEST)})).test_virtual_machine
        found = machine_of_test(stage)
        assert found is not None
        assert found.vm_id == made.test_vm_id
        await do(WEST, stop_test_failover={"vm": stage.vm(WEST)})
        assert machine_of_test(stage) is None
    no_effect_twice(stage)
