"""Commands of test failover: a test virtual machine beside the replica, made and removed."""

from __future__ import annotations

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState
from opensiterecovery.provider.v1.test_failover_pb2 import (
    StartTestFailover,
    StopTestFailover,
    TestVirtualMachine,
    TestVirtualMachineRemoved,
)
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.failures import CommandError, failure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.failover import NEVER_COPIED
from agent.verbs.machines import VIRTUAL_MACHINE_NOT_FOUND, read_machine
from agent.verbs.recovery_points import chosen_point, point_refusal, run_on_point
from agent.verbs.relationship import described, not_ready, read_side, run_on
from agent.verbs.tested_replica import stop_refusal
from agent.verbs.virtual_machine import FAILED_OVER

RESYNCHRONIZING = frozenset({"Resynchronizing", "ResynchronizeSuspended"})
"""States in which both copies are compared; Hyper-V makes no test machine then."""


async def start_test_failover(
    request: StartTestFailover, context: VerbContext
) -> TestVirtualMachine:
    """Makes a test virtual machine of a replica; does not start it.

    Replication goes on, and the replica stays as it is.

    Idempotent: a test virtual machine that is there is left alone.

    Raises:
        CommandError: The machine is not a replica with a complete copy, it is failed over or being
            compared, or the recovery point does not exist.

    Source: Start-VMFailover -AsTest.
    """
    goal = Goal(
        action="Start-VMFailover -AsTest",
        expected="a test virtual machine",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: bool(side.test_vm_id),
        describe=_described,
        refuse=lambda side: _refusal(side, request),
    )

    async def start(side: ReplicationState) -> None:
        point = chosen_point(side, request)
        if point is None:
            await run_on(context, request.vm, "Start-VMFailover", AsTest=True)
        else:
            await run_on_point(context, request.vm, point.id, "Start-VMFailover", AsTest=True)

    side = await reach(context, goal, start)
    answer = TestVirtualMachine(
        vm_id=request.vm.vm_id,
        host=request.vm.host,
        test_vm_id=side.test_vm_id,
        test_vm_name=side.test_vm_name,
    )
    if side.HasField("last_replication_time"):
        answer.last_replication_time.CopyFrom(side.last_replication_time)
    if (point := chosen_point(side, request)) is not None:
        answer.failed_over_to.CopyFrom(point)
    return answer


async def stop_test_failover(
    request: StopTestFailover, context: VerbContext
) -> TestVirtualMachineRemoved:
    """Turns the test virtual machine of a replica off and removes it with its disks.

    Idempotent: where there is none, or the replica itself is gone, nothing is done.

    Raises:
        CommandError: The replica is failed over too, the host could not be asked, or Hyper-V
            refused.

    Source: Stop-VMFailover with the replica, not with the test virtual machine.
    """
    removed = ""

    async def stop(side: ReplicationState) -> None:
        nonlocal removed
        removed = side.test_vm_id
        await _turn_off(context, VirtualMachineRef(vm_id=side.test_vm_id, host=request.vm.host))
        await run_on(context, request.vm, "Stop-VMFailover")

    goal = Goal(
        action="Stop-VMFailover",
        expected="no test virtual machine",
        observe=lambda: _side(context, request.vm),
        reached=lambda side: not side.test_vm_id,
        describe=_described,
        refuse=stop_refusal,
    )
    await reach(context, goal, stop)
    return TestVirtualMachineRemoved(
        vm_id=request.vm.vm_id, host=request.vm.host, test_vm_id=removed
    )


async def _turn_off(context: VerbContext, machine: VirtualMachineRef) -> None:
    """Whether Stop-VMFailover takes a test virtual machine that runs is not documented."""
    try:
        # One that a host has saved when it was shut down does not run, and Stop-VM refuses it.
        if (await read_machine(context, machine)).state not in {"Off", "Saved"}:
            await run_on(context, machine, "Stop-VM", TurnOff=True)
    except CommandError as error:
        if error.failure.code != VIRTUAL_MACHINE_NOT_FOUND:
            raise


async def _side(context: VerbContext, vm: VirtualMachineRef) -> ReplicationState:
    try:
        return await read_side(context, vm)
    except CommandError as error:
        if error.failure.code != VIRTUAL_MACHINE_NOT_FOUND:
            raise
        return ReplicationState(vm_id=vm.vm_id, host=vm.host, mode="None", state="Disabled")


def _described(side: ReplicationState) -> str:
    tested = f", tested by {side.test_vm_name}" if side.test_vm_id else ", not tested"
    return described(side) + tested


def _refusal(side: ReplicationState, request: StartTestFailover) -> Failure | None:
    if side.mode != "Replica" or side.state in NEVER_COPIED | FAILED_OVER:
        return not_ready(
            side,
            "A test failover",
            "a replica whose first copy is complete and which is not failed over",
            "Wait for the first copy. A machine that was failed over is tested from the side it"
            " replicates to, once its replication is reversed.",
        )
    if side.state in RESYNCHRONIZING:
        return failure(
            "ReplicaResynchronizing",
            f"The replica {side.vm_id} on {side.host} is {side.state}; no test virtual machine can"
            " be made of it meanwhile.",
            ["Its copies are being compared after replication was interrupted."],
            "Wait until the resynchronization ends, then run the test failover again.",
        )
    return point_refusal(side, request)
