"""Commands that make a machine that exists already the replica of another one."""

from __future__ import annotations

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.first_copy_pb2 import (
    EnableAsReplica,
    SetAllowedPrimaryServer,
)
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.fabric.replication_state import RECOVERY_POINT_TYPES
from agent.failures import failure
from agent.powershell.cmdlet import cmdlet, select
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import vm_pipeline
from agent.verbs.relationship import described, not_ready, read_side, run_on, same_server

_AS_REPLICA = frozenset({"WaitingForInitialReplication", "Replicating"})

_Observed = tuple[ReplicationState, int]


async def enable_as_replica(request: EnableAsReplica, context: VerbContext) -> ReplicationState:
    """Makes a machine that is off wait for its primary; its disks stay as they are.

    Idempotent: a machine that waits as a replica, or replicates as one, is left alone.

    Raises:
        CommandError: The machine runs, has checkpoints, takes part in another replication, or
            Hyper-V refused.

    Source: Enable-VMReplication -AsReplica, run on the host that owns the machine.
    """

    async def observe() -> _Observed:
        side = await read_side(context, request.vm)
        return side, await _checkpoints(request, context) if side.mode == "None" else 0

    goal: Goal[_Observed] = Goal(
        action="Enable-VMReplication -AsReplica",
        expected="Replica, waiting for its first copy",
        observe=observe,
        reached=lambda seen: seen[0].mode == "Replica" and seen[0].state in _AS_REPLICA,
        describe=lambda seen: described(seen[0]),
        refuse=lambda seen: _refusal(*seen),
    )
    side, _ = await reach(
        context,
        goal,
        lambda _: run_on(
            context,
            request.vm,
            "Enable-VMReplication",
            AsReplica=True,
            AllowedPrimaryServer=request.allowed_primary_server,
        ),
    )
    return side


async def set_allowed_primary_server(
    request: SetAllowedPrimaryServer, context: VerbContext
) -> ReplicationState:
    """Has a replica take changes by the authorization entry of this primary server.

    A replica keeps the name of the entry it was made under, which was another one when somebody
    set its replication up by hand; once that entry is gone it takes nothing any more.

    Idempotent: a replica that has this name already is left alone.

    Raises:
        CommandError: The machine is no replica, or Hyper-V refused.

    Source: Set-VMReplication -AllowedPrimaryServer.
    """

    async def observe() -> tuple[ReplicationState, str]:
        side = await read_side(context, request.vm)
        return side, await _allowed_primary_server(request, context, side)

    goal: Goal[tuple[ReplicationState, str]] = Goal(
        action="Set-VMReplication -AllowedPrimaryServer",
        expected=f"a replica that takes changes from {request.allowed_primary_server}",
        observe=observe,
        reached=lambda seen: (
            seen[0].mode == "Replica" and same_server(seen[1], request.allowed_primary_server)
        ),
        describe=lambda seen: f"{described(seen[0])}, taking changes from {seen[1] or '(nobody)'}",
        refuse=lambda seen: _no_replica(seen[0]),
    )
    side, _ = await reach(
        context,
        goal,
        lambda _: run_on(
            context,
            request.vm,
            "Set-VMReplication",
            AllowedPrimaryServer=request.allowed_primary_server,
        ),
    )
    return side


async def _allowed_primary_server(
    request: SetAllowedPrimaryServer, context: VerbContext, side: ReplicationState
) -> str:
    if side.mode != "Replica":
        return ""
    found = await context.reader.run(
        *vm_pipeline(request.vm, cmdlet("Get-VMReplication"), select("AllowedPrimaryServer")),
        time_limit_seconds=context.read_seconds(),
    )
    return (found[0].optional_text("AllowedPrimaryServer") or "") if found else ""


async def _checkpoints(request: EnableAsReplica, context: VerbContext) -> int:
    """How many checkpoints of people the machine has; recovery points are none."""
    found = await context.reader.run(
        *vm_pipeline(request.vm, cmdlet("Get-VMSnapshot"), select("SnapshotType")),
        time_limit_seconds=context.read_seconds(),
    )
    kinds = [record.enum_name("SnapshotType") for record in found]
    return sum(kind not in RECOVERY_POINT_TYPES for kind in kinds)


def _no_replica(side: ReplicationState) -> Failure | None:
    if side.mode == "Replica":
        return None
    return not_ready(
        side,
        "Setting the allowed primary server",
        "a replica",
        "Look at the machine's replication on its host, then enable protection again.",
    )


def _refusal(side: ReplicationState, checkpoints: int) -> Failure | None:
    where = f"The virtual machine {side.vm_id} on {side.host}"
    remedy = (
        f"If its data is not needed, delete it on {side.host}: then a whole first copy is made."
        " Otherwise remove what stands against it, and enable protection again."
    )
    if side.mode != "None":
        return failure(
            "ExistingCopyReplicates",
            f"{where} cannot take a first copy: it takes part in a replication already"
            f" ({described(side)}).",
            ["Somebody made it part of another replication.", "It was failed over."],
            f"End that replication on {side.host} (Remove-VMReplication). {remedy}",
        )
    if side.vm_state != "Off":
        return failure(
            "ExistingCopyRunning",
            f"{where} cannot take a first copy: it is {side.vm_state}.",
            ["The former replica was started and is in use."],
            f"Make sure that nobody needs it and turn it off. {remedy}",
        )
    if checkpoints:
        return failure(
            "ExistingCopyHasCheckpoints",
            f"{where} cannot take a first copy: it has {checkpoints} checkpoint(s).",
            ["Somebody, or a backup, took checkpoints of the former replica."],
            f"Delete its checkpoints in Hyper-V Manager and wait until they are merged. {remedy}",
        )
    return None
