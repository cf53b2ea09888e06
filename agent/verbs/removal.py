"""Commands that end a protection: remove one side's replication, delete what was the replica."""

from __future__ import annotations

from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import (
    DeleteReplica,
    RemoveReplication,
    ReplicaDeleted,
    VirtualMachineRef,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.errors import PowerShellFailure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import (
    VIRTUAL_MACHINE_NOT_FOUND,
    Machine,
    machine_id,
    read_machine,
)
from agent.verbs.relationship import described, not_ready, read_side, run_on

NOT_REMOVABLE = frozenset({"FailedOverWaitingCompletion", "RecoveryInProgress"})
"""States of a replica whose failover must be completed or cancelled first."""


async def remove_replication(request: RemoveReplication, context: VerbContext) -> ReplicationState:
    """Ends this side's part in a replication; the machine stays, the other side is not told.

    A first copy that runs is stopped first.

    Idempotent: a machine without replication, or one that is gone, is left alone.

    Returns:
        The side without replication; `vm_state` is empty when the host has no such machine.

    Raises:
        CommandError: A failover is neither completed nor cancelled, or Hyper-V refused.

    Source: Remove-VMReplication, which is to be run on both sides.
    """
    goal = Goal(
        action="Remove-VMReplication",
        expected="no replication",
        observe=lambda: _side(context, request.vm),
        reached=lambda side: side.mode == "None",
        describe=described,
        refuse=_removal_refusal,
    )
    return await reach(context, goal, lambda side: _remove(context, request.vm, side))


async def delete_replica(request: DeleteReplica, context: VerbContext) -> ReplicaDeleted:
    """Deletes a machine with its files, once it takes part in no replication.

    Remove-VM would leave the files, and no cmdlet that takes data only deletes them; VMM's
    Remove-SCVirtualMachine deletes both. (With -Force it would forget the machine and delete
    nothing.) VMM learns of replicas by a refresh of their host, so that comes first.

    Idempotent: a machine that is gone is gone.

    Raises:
        CommandError: The machine runs or replicates, which nothing may delete, or VMM refused.
    """
    goal: Goal[Machine | None] = Goal(
        action="Remove-SCVirtualMachine",
        expected="gone",
        observe=lambda: _machine(context, request.vm),
        reached=lambda machine: machine is None,
        describe=lambda machine: "gone" if machine is None else str(machine),
        refuse=_deletion_refusal,
    )
    await reach(context, goal, lambda _: _delete(context, request.vm))
    return ReplicaDeleted(vm_id=request.vm.vm_id, host=request.vm.host)


async def _remove(context: VerbContext, vm: VirtualMachineRef, side: ReplicationState) -> None:
    if _is_copying(side):
        try:
            await run_on(context, vm, "Stop-VMInitialReplication")
        except PowerShellFailure:
            # It may have ended in this moment.
            if _is_copying(await _side(context, vm)):
                raise
    await run_on(context, vm, "Remove-VMReplication")


def _is_copying(side: ReplicationState) -> bool:
    return side.mode == "Primary" and side.state == "InitialReplicationInProgress"


async def _side(context: VerbContext, vm: VirtualMachineRef) -> ReplicationState:
    try:
        return await read_side(context, vm)
    except CommandError as error:
        if error.failure.code != VIRTUAL_MACHINE_NOT_FOUND:
            raise
        return ReplicationState(vm_id=vm.vm_id, host=vm.host, mode="None", state="Disabled")


async def _machine(context: VerbContext, vm: VirtualMachineRef) -> Machine | None:
    try:
        return await read_machine(context, vm)
    except CommandError as error:
        if error.failure.code != VIRTUAL_MACHINE_NOT_FOUND:
            raise
        return None


async def _delete(context: VerbContext, vm: VirtualMachineRef) -> None:
    server = cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server)
    host = cmdlet("Get-SCVMHost", ComputerName=vm.host)
    await context.reader.run(
        server,
        host,
        cmdlet("Read-SCVirtualMachine"),
        time_limit_seconds=context.action_seconds(),
    )
    known = await id_in_vmm(context, vm, (server, host))
    await context.powershell.run(
        server,
        cmdlet("Get-SCVirtualMachine", ID=known),
        cmdlet("Remove-SCVirtualMachine", Confirm=False),
        time_limit_seconds=context.action_seconds(),
    )


async def id_in_vmm(
    context: VerbContext, vm: VirtualMachineRef, host: tuple[Cmdlet, Cmdlet]
) -> UUID:
    """VMM's id of the machine on that host and no other: the other copy has the same Hyper-V id.

    Raises:
        CommandError: VMM does not know the machine.
    """
    found = await context.reader.run(
        *host,
        cmdlet("Get-SCVirtualMachine"),
        select("ID", "VMId", "HostName"),
        time_limit_seconds=context.read_seconds(),
    )
    wanted = machine_id(vm)
    for record in found:
        on_host = (record.optional_text("HostName") or "").casefold() == vm.host.casefold()
        if on_host and record.optional_guid("VMId") == wanted:
            return record.guid("ID")
    raise CommandError(
        failure(
            "VirtualMachineUnknownToVmm",
            f"VMM does not know the virtual machine {vm.vm_id} on {vm.host}.",
            ["The host is not managed by this VMM server.", "Refreshing the host did not work."],
            "Refresh the host's virtual machines in VMM, then repeat the operation.",
        )
    )


def _removal_refusal(side: ReplicationState) -> Failure | None:
    if side.state not in NOT_REMOVABLE:
        return None
    return not_ready(
        side,
        "Removing replication",
        "a failover that is completed or cancelled",
        "Commit the failover, then disable protection again.",
    )


def _deletion_refusal(machine: Machine | None) -> Failure | None:
    if machine is None or (machine.state == "Off" and machine.mode == "None"):
        return None
    return failure(
        "ReplicaInUse",
        f"{machine.name} on {machine.host} is {machine}; it is not deleted.",
        [
            "Somebody started it, or it was failed over.",
            "It takes part in a replication again.",
        ],
        "Look at the machine on the host. If it is not needed, turn it off, remove its"
        " replication, and disable protection again.",
    )
