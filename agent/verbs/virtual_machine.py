"""Commands about one virtual machine: read, stop, start."""

from __future__ import annotations

from dataclasses import replace

from opensiterecovery.provider.v1.command_pb2 import (
    ReadVirtualMachine,
    StartVirtualMachine,
    StopVirtualMachine,
    VirtualMachineRef,
    VirtualMachineState,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure

from agent.failures import failure
from agent.powershell.cmdlet import Cmdlet, cmdlet
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import Machine, read_machine, read_machine_state, vm_pipeline

FAILED_OVER = frozenset({"FailedOverWaitingCompletion", "FailedOver"})
"""States in which a replica may run."""

RAN = frozenset({"Running", "Starting", "Paused", "Pausing", "Resuming"})
"""States of a machine that people worked with."""

_SAVED = "Saved"


async def read_virtual_machine(
    request: ReadVirtualMachine, context: VerbContext
) -> VirtualMachineState:
    """Reads one virtual machine. Changes nothing. Source: Get-VM, Get-VMHardDiskDrive."""
    return await read_machine_state(context, request.vm)


async def stop_virtual_machine(
    request: StopVirtualMachine, context: VerbContext
) -> VirtualMachineState:
    """Shuts the guest down, or turns the machine off when the request says so.

    A host that is shut down saves its machines unless told otherwise. One that is saved cannot be
    shut down; turning it off gives up what was in its memory, as turning off always does.

    Idempotent: a machine that is off is left alone, one that is stopping is waited for.

    Raises:
        CommandError: Also when the guest does not go down within the time limit, or the machine is
            saved and was to be shut down.

    Source: Stop-VM, Remove-VMSavedState.
    """
    # Without -Force a locked or busy guest makes Stop-VM ask, and nobody is there to answer.
    stop = (
        cmdlet("Stop-VM", TurnOff=True, Confirm=False)
        if request.turn_off
        else cmdlet("Stop-VM", Force=True, Confirm=False)
    )
    forget = cmdlet("Remove-VMSavedState", Confirm=False)
    goal = _goal(context, request.vm, "Stop-VM", expected="Off", on_the_way="Stopping")
    if not request.turn_off:
        goal = replace(goal, refuse=_shut_down_refusal)
    await reach(
        context,
        goal,
        lambda machine: _run(context, request.vm, forget if machine.state == _SAVED else stop),
    )
    return await read_machine_state(context, request.vm)


async def start_virtual_machine(
    request: StartVirtualMachine, context: VerbContext
) -> VirtualMachineState:
    """Starts the machine, unless the request says that it did not run before.

    Idempotent: a machine that runs is left alone, one that is starting is waited for.

    Raises:
        CommandError: Also when the machine is a replica that was not failed over, or is prepared
            for failover: Hyper-V would refuse.
    """
    if request.former_state and request.former_state not in RAN:
        return await read_machine_state(context, request.vm)
    start = cmdlet("Start-VM", Confirm=False)
    goal = _goal(context, request.vm, "Start-VM", expected="Running", on_the_way="Starting")
    goal = replace(goal, refuse=_start_refusal)

    async def connect_and_start(_: Machine) -> None:
        await context.before_start(context, request.vm)
        await _run(context, request.vm, start)

    await reach(context, goal, connect_and_start)
    return await read_machine_state(context, request.vm)


def _goal(
    context: VerbContext, vm: VirtualMachineRef, action: str, *, expected: str, on_the_way: str
) -> Goal[Machine]:
    return Goal(
        action=action,
        expected=expected,
        observe=lambda: read_machine(context, vm),
        reached=lambda machine: machine.state == expected,
        describe=str,
        under_way=lambda machine: machine.state == on_the_way,
    )


async def _run(context: VerbContext, vm: VirtualMachineRef, action: Cmdlet) -> None:
    await context.powershell.run(
        *vm_pipeline(vm, action), time_limit_seconds=context.action_seconds()
    )


def _shut_down_refusal(machine: Machine) -> Failure | None:
    if machine.state != _SAVED:
        return None
    return failure(
        "VirtualMachineSaved",
        f"{machine.name} on {machine.host} is saved: its guest cannot be shut down.",
        ["Its host was shut down, which saves the machines on it, or somebody saved it."],
        "Start the virtual machine, so that its guest can write what it holds in memory; then run"
        " the operation again.",
    )


def _start_refusal(machine: Machine) -> Failure | None:
    if machine.mode == "Replica" and machine.replication_state not in FAILED_OVER:
        return failure(
            "ReplicaNotFailedOver",
            f"{machine.name} on {machine.host} is a replica and was not failed over"
            f" (state {machine.replication_state}); it cannot be started.",
            ["The failover has not run, or was cancelled."],
            "Run a failover for the virtual machine first.",
        )
    if machine.replication_state == "PreparedForFailover":
        return failure(
            "VirtualMachinePreparedForFailover",
            f"{machine.name} on {machine.host} is prepared for a planned failover;"
            " it cannot be started here.",
            ["A planned failover is running, or stopped after its preparation."],
            "Finish the planned failover, or cancel it.",
        )
    return None
