"""The way out: each step once, and nothing deleted that runs or replicates."""

from __future__ import annotations

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    DeleteReplica,
    RemoveReplication,
    VirtualMachineRef,
)

from agent.failures import CommandError
from agent.verbs.removal import delete_replica, remove_replication
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine, failure, gone
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext

pytestmark = pytest.mark.spec("RE-7")


def machine(
    state: str = "Off", mode: str = "None", replication_state: str = "Disabled"
) -> FakeMachine:
    return FakeMachine(VM_ID, "SQL1", state, mode, replication_state)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (SHANGHAI, machine("Running", "Primary", "Replicating")),
        (BEIJING, machine("Off", "Replica", "Replicating")),
        (BEIJING, machine("Running", "Replica", "FailedOver")),
    ],
)
async def test_replication_removed_twice_is_removed_once_and_the_machine_stays(
    hyperv: FakeHyperV, context: MakeContext, host: str, found: FakeMachine
) -> None:
    hyperv.add(host, found)
    state = found.state
    request = RemoveReplication(vm=VirtualMachineRef(vm_id=str(VM_ID), host=host))
    for _ in range(2):
        side = await remove_replication(request, context())
        assert (side.mode, side.vm_state, side.host) == ("None", state, host)
    assert hyperv.effects == [("replication.removed", str(VM_ID))]
    assert hyperv.hosts[host].machines[VM_ID].state == state


async def test_a_first_copy_that_runs_is_stopped_before_its_replication_is_removed(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("Running", "Primary", "InitialReplicationInProgress"))
    for _ in range(2):
        side = await remove_replication(RemoveReplication(vm=primary), context())
        assert (side.mode, side.vm_state) == ("None", "Running")
    assert [effect for effect, _ in hyperv.effects] == ["copy.stopped", "replication.removed"]


async def test_a_first_copy_that_ends_while_it_is_being_stopped_is_no_failure(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("Running", "Primary", "InitialReplicationInProgress"))
    refused = failure("InvalidState", "InvalidOperation", "Stop-VMInitialReplication")
    hyperv.trouble("Stop-VMInitialReplication", refused, after_the_effect=True)
    side = await remove_replication(RemoveReplication(vm=primary), context())
    assert side.mode == "None"


async def test_a_first_copy_that_cannot_be_stopped_is_not_removed(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("Running", "Primary", "InitialReplicationInProgress"))
    refused = failure("AccessDenied", "PermissionDenied", "Stop-VMInitialReplication")
    hyperv.trouble("Stop-VMInitialReplication", refused)
    with pytest.raises(CommandError):
        await remove_replication(RemoveReplication(vm=primary), context())
    assert hyperv.ran("Remove-VMReplication") == []


async def test_replication_of_a_machine_that_is_gone_is_removed_already(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    side = await remove_replication(RemoveReplication(vm=primary), context())
    assert (side.mode, side.vm_state) == ("None", "")
    assert hyperv.effects == []


async def test_a_lost_answer_is_looked_up_and_not_asked_again(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("Running", "Primary", "Replicating"))
    hyperv.trouble("Remove-VMReplication", gone(), after_the_effect=True)
    await remove_replication(RemoveReplication(vm=primary), context())
    assert len(hyperv.ran("Remove-VMReplication")) == 1


async def test_a_failover_that_is_not_committed_is_not_taken_apart(
    hyperv: FakeHyperV, context: MakeContext, replica: VirtualMachineRef
) -> None:
    hyperv.add(BEIJING, machine("Running", "Replica", "FailedOverWaitingCompletion"))
    with pytest.raises(CommandError, match="ReplicationNotReady"):
        await remove_replication(RemoveReplication(vm=replica), context())
    assert hyperv.ran("Remove-VMReplication") == []


@pytest.mark.parametrize("known_to_vmm", [True, False])
async def test_a_replica_deleted_twice_is_deleted_once_and_its_machine_stays(
    hyperv: FakeHyperV, context: MakeContext, replica: VirtualMachineRef, *, known_to_vmm: bool
) -> None:
    hyperv.add(SHANGHAI, machine("Running"))
    hyperv.add(BEIJING, machine()).known_to_vmm = known_to_vmm
    for _ in range(2):
        deleted = await delete_replica(DeleteReplica(vm=replica), context())
        assert (deleted.vm_id, deleted.host) == (str(VM_ID), BEIJING)
    assert [effect for effect in hyperv.effects if effect[0] == "vm.removed"] == [
        ("vm.removed", BEIJING)
    ]
    assert VM_ID in hyperv.hosts[SHANGHAI].machines


@pytest.mark.parametrize(
    "found",
    [
        machine("Running"),
        machine("Saved"),
        machine("Off", "Replica", "Replicating"),
        machine("Off", "Primary", "PreparedForFailover"),
        machine("Running", "Primary", "Replicating"),
    ],
)
async def test_a_machine_that_runs_or_replicates_is_never_deleted(
    hyperv: FakeHyperV, context: MakeContext, replica: VirtualMachineRef, found: FakeMachine
) -> None:
    hyperv.add(BEIJING, found)
    with pytest.raises(CommandError, match="ReplicaInUse"):
        await delete_replica(DeleteReplica(vm=replica), context())
    assert hyperv.effects == []


async def test_a_replica_that_vmm_does_not_find_is_not_deleted(
    hyperv: FakeHyperV, context: MakeContext, replica: VirtualMachineRef
) -> None:
    hyperv.add(BEIJING, machine())
    hyperv.hosts["other"] = hyperv.hosts.pop(BEIJING)
    with pytest.raises(Exception, match="cannot be performed"):
        await delete_replica(DeleteReplica(vm=replica), context())
    assert VM_ID in hyperv.hosts["other"].machines


async def test_a_deletion_vmm_refuses_says_what_is_there(
    hyperv: FakeHyperV, context: MakeContext, replica: VirtualMachineRef
) -> None:
    hyperv.add(BEIJING, machine())
    hyperv.trouble(
        "Remove-SCVirtualMachine",
        failure("25122", "InvalidOperation", "Remove-SCVirtualMachine"),
        times=9,
    )
    with pytest.raises(CommandError, match="The state read afterwards: Off"):
        await delete_replica(DeleteReplica(vm=replica), context())
