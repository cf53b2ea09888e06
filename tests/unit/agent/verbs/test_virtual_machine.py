"""Starting and stopping: once, whatever happens on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    ReadVirtualMachine,
    StartVirtualMachine,
    StopVirtualMachine,
    VirtualMachineRef,
)

from agent.failures import CommandError
from agent.verbs.virtual_machine import (
    read_virtual_machine,
    start_virtual_machine,
    stop_virtual_machine,
)
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine, failure, gone, timed_out
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext


async def test_reading_gives_state_and_disks(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    found = await read_virtual_machine(ReadVirtualMachine(vm=primary), context())
    assert (found.name, found.state, found.generation) == ("SQL1", "Running", 2)
    assert list(found.disk_paths) == ["D:\\VMs\\SQL1.vhdx"]
    assert found.vm_id == str(VM_ID)
    assert hyperv.effects == []


async def test_a_machine_the_host_does_not_have_is_told_as_such(
    context: MakeContext, primary: VirtualMachineRef
) -> None:
    with pytest.raises(CommandError) as caught:
        await read_virtual_machine(ReadVirtualMachine(vm=primary), context())
    assert caught.value.failure.code == "VirtualMachineNotFound"
    assert caught.value.failure.possible_causes
    assert caught.value.failure.recommended_action


async def test_a_host_that_cannot_be_asked_is_not_a_missing_machine(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    del hyperv.hosts[SHANGHAI]
    with pytest.raises(Exception, match="cannot be performed") as caught:
        await read_virtual_machine(ReadVirtualMachine(vm=primary), context())
    assert not isinstance(caught.value, CommandError)


@pytest.mark.parametrize("reference", [VirtualMachineRef(), VirtualMachineRef(vm_id="x", host="h")])
async def test_a_reference_to_nothing_is_refused(
    context: MakeContext, reference: VirtualMachineRef
) -> None:
    with pytest.raises(CommandError) as caught:
        await read_virtual_machine(ReadVirtualMachine(vm=reference), context())
    assert caught.value.failure.code == "CommandInvalid"


async def test_starting_twice_starts_once(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", state="Off"))
    for _ in range(2):
        found = await start_virtual_machine(StartVirtualMachine(vm=primary), context())
        assert found.state == "Running"
    assert hyperv.effects == [("vm.started", str(VM_ID))]


async def test_a_start_is_waited_for(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    looks: list[str] = []

    def starting(machine: FakeMachine) -> None:
        looks.append(machine.state)
        if len(looks) == 4:
            machine.state = "Running"

    hyperv.transitions["Starting"] = starting
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", state="Off"))
    found = await start_virtual_machine(StartVirtualMachine(vm=primary), context())
    assert found.state == "Running"
    assert len(looks) == 4


async def test_a_machine_that_is_starting_already_is_only_waited_for(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    machine = hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", state="Starting"))
    hyperv.transitions["Starting"] = lambda _: None
    with pytest.raises(CommandError) as caught:
        await start_virtual_machine(StartVirtualMachine(vm=primary), context(limit_seconds=3))
    assert caught.value.failure.code == "StateNotReached"
    assert "Starting" in caught.value.failure.message
    assert hyperv.effects == []
    machine.state = "Running"
    await start_virtual_machine(StartVirtualMachine(vm=primary), context())
    assert hyperv.effects == []


@pytest.mark.parametrize(
    ("replication", "code"),
    [
        (("Replica", "Replicating"), "ReplicaNotFailedOver"),
        (("Replica", "WaitingForInitialReplication"), "ReplicaNotFailedOver"),
        (("Primary", "PreparedForFailover"), "VirtualMachinePreparedForFailover"),
    ],
)
async def test_a_machine_that_must_not_run_is_not_started(
    hyperv: FakeHyperV,
    context: MakeContext,
    replica: VirtualMachineRef,
    replication: tuple[str, str],
    code: str,
) -> None:
    hyperv.add(BEIJING, FakeMachine(VM_ID, "SQL1", "Off", *replication))
    with pytest.raises(CommandError) as caught:
        await start_virtual_machine(StartVirtualMachine(vm=replica), context())
    assert caught.value.failure.code == code
    assert hyperv.ran("Start-VM") == []


async def test_stopping_is_in_order_unless_turning_off_was_asked_for(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    machine = hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    for _ in range(2):
        await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    assert "TurnOff" not in hyperv.ran("Stop-VM")[0].parameters
    machine.state = "Running"
    for _ in range(2):
        await stop_virtual_machine(StopVirtualMachine(vm=primary, turn_off=True), context())
    assert hyperv.ran("Stop-VM")[1].parameters["TurnOff"] is True
    assert [name for name, _ in hyperv.effects] == ["vm.stopped", "vm.turned_off"]


@pytest.mark.parametrize("error", [gone(), timed_out(), failure("X", "NotSpecified", "Stop-VM")])
async def test_an_answer_lost_after_the_effect_is_a_success(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef, error: Exception
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    hyperv.trouble("Stop-VM", error, after_the_effect=True)
    found = await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    assert found.state == "Off"
    assert hyperv.effects == [("vm.stopped", str(VM_ID))]


async def test_a_powershell_that_died_before_the_effect_is_asked_again(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    hyperv.trouble("Stop-VM", gone(), times=3)
    await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    assert hyperv.effects == [("vm.stopped", str(VM_ID))]


async def test_a_powershell_that_dies_while_the_state_is_read_is_asked_again(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    hyperv.trouble("Get-VM", gone(), times=2)
    await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    assert hyperv.effects == [("vm.stopped", str(VM_ID))]


async def test_a_cmdlet_that_fails_is_told_with_the_state_and_powershells_own_words(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    hyperv.trouble("Stop-VM", failure("OperationFailed", "NotSpecified", "Stop-VM"))
    with pytest.raises(CommandError) as caught:
        await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    told = caught.value.failure
    assert told.code == "OperationFailed"
    assert "Running" in told.message
    assert told.powershell.cmdlet == "Stop-VM"
    assert told.powershell.category == "NotSpecified"


async def test_a_cmdlet_that_hangs_is_told_with_the_state_read_afterwards(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    hyperv.trouble("Stop-VM", timed_out())
    with pytest.raises(CommandError) as caught:
        await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    assert caught.value.failure.code == "PowerShellTimeout"
    assert "The state read afterwards: Running" in caught.value.failure.message
    assert "may still take effect" in caught.value.failure.message


async def test_machines_are_addressed_by_id_on_their_host_and_never_asked_to_confirm(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL*"))
    await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    [action] = [pipeline for pipeline in hyperv.pipelines if pipeline[-1].name == "Stop-VM"]
    assert dict(action[0].parameters) == {"ComputerName": SHANGHAI, "Id": VM_ID}
    assert action[1].parameters["Confirm"] is False


async def test_people_are_told_what_is_being_done(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    told: list[str] = []

    async def tell(activity: str) -> None:
        told.append(activity)

    await stop_virtual_machine(StopVirtualMachine(vm=primary), replace(context(), tell=tell))
    assert told[0] == "Stop-VM"
    await stop_virtual_machine(StopVirtualMachine(vm=primary), replace(context(), tell=tell))
    assert told.count("Stop-VM") == 1


async def test_a_stop_that_somebody_began_and_that_came_to_nothing_is_begun_anew(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    """A machine that was on its way when the agent came back, and then went on running."""
    machine = hyperv.add(SHANGHAI, FakeMachine(VM_ID, "App", state="Stopping"))
    looks = iter(["Stopping", "Stopping"])

    def give_up(seen: FakeMachine) -> None:
        seen.state = next(looks, "Running")

    hyperv.transitions["Stopping"] = give_up
    request = StopVirtualMachine(vm=primary)
    stopped = await stop_virtual_machine(request, context(resumed=True))
    assert (stopped.state, machine.state) == ("Off", "Off")
    assert hyperv.effects == [("vm.stopped", str(VM_ID))]


@pytest.mark.spec("FO-7")
async def test_a_saved_machine_is_turned_off_by_giving_up_its_memory(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    """So hosts leave their machines when they are shut down; Stop-VM refuses such a one."""
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", "Saved", "Primary", "Error"))
    for resumed in (False, True):
        request = StopVirtualMachine(vm=primary, turn_off=True)
        found = await stop_virtual_machine(request, context(resumed=resumed))
        assert found.state == "Off"
    assert hyperv.effects == [("vm.saved_state_removed", str(VM_ID))]
    assert hyperv.ran("Stop-VM") == []


@pytest.mark.spec("FO-2")
async def test_a_saved_machine_that_is_to_be_shut_down_keeps_its_memory(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", "Saved", "Primary", "Replicating"))
    with pytest.raises(CommandError) as caught:
        await stop_virtual_machine(StopVirtualMachine(vm=primary), context())
    assert caught.value.failure.code == "VirtualMachineSaved"
    assert caught.value.failure.recommended_action
    assert hyperv.effects == []
