"""Commands on a replication as it runs: pause it, resume it, compare both copies anew."""

from __future__ import annotations

from typing import Final

import structlog
from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import (
    ReplicationState,
    ResumeReplication,
    SuspendReplication,
)

from agent.failures import failure
from agent.powershell.cmdlet import Value
from agent.powershell.errors import PowerShellFailure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.relationship import described, not_ready, read_side, run_on

log = structlog.get_logger(__name__)

SUSPENDED: Final = frozenset({"Suspended", "ResynchronizeSuspended"})
RUNNING: Final = frozenset(
    {
        "Replicating",
        "InitialReplicationInProgress",
        "WaitingForInitialReplication",
        "Resynchronizing",
    }
)
RESUMABLE: Final = SUSPENDED | {"Error", "UpdateError"}
RESYNC_REQUIRED: Final = "WaitingForStartResynchronize"
COMPARABLE: Final = frozenset(
    {"Replicating", "Suspended", "Error", RESYNC_REQUIRED, "ResynchronizeSuspended"}
)


async def suspend_replication(
    request: SuspendReplication, context: VerbContext
) -> ReplicationState:
    """Pauses one side; the primary goes on tracking changes.

    Idempotent: what is paused stays so.

    Raises:
        CommandError: Nothing runs that could be paused, or Hyper-V refused.

    Source: Suspend-VMReplication.
    """
    goal = Goal(
        action="Suspend-VMReplication",
        expected="replication paused",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.state in SUSPENDED,
        describe=described,
        refuse=lambda side: (
            None
            if side.state in RUNNING
            else not_ready(
                side,
                "Pausing",
                "a replication that runs",
                "Look at the state on the host; resume or repair replication if it is in error.",
            )
        ),
    )
    return await reach(
        context, goal, lambda _: run_on(context, request.vm, "Suspend-VMReplication")
    )


async def resume_replication(request: ResumeReplication, context: VerbContext) -> ReplicationState:
    """Lets one side go on, or compares both copies block by block and sends what differs.

    Idempotent: what runs is left alone. A comparison asked for is begun again after a death of the
    agent unless it is seen running: that it ended meanwhile cannot be seen, and a comparison too
    many changes nothing but time.

    Raises:
        CommandError: The state does not allow it, or Hyper-V refused.

    Source: Resume-VMReplication.
    """
    if request.resynchronize:
        return await _resynchronize(request, context)

    async def resume(side: ReplicationState) -> None:
        # A comparison that was interrupted goes on where it was.
        parameters: dict[str, Value] = (
            {"Continue": True} if side.state == "ResynchronizeSuspended" else {}
        )
        await run_on(context, request.vm, "Resume-VMReplication", **parameters)

    goal = Goal(
        action="Resume-VMReplication",
        expected="replication running",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.state in RUNNING,
        describe=described,
        refuse=_resume_refusal,
    )
    return await reach(context, goal, resume)


async def _resynchronize(request: ResumeReplication, context: VerbContext) -> ReplicationState:
    begun = False

    async def compare(side: ReplicationState) -> None:
        nonlocal begun
        running = side.state == "Replicating"
        if running:
            # Hyper-V compares what is paused or broken, not what runs.
            await run_on(context, request.vm, "Suspend-VMReplication")
        try:
            await run_on(context, request.vm, "Resume-VMReplication", Resynchronize=True)
        except PowerShellFailure:
            if running:
                await _go_on(context, request.vm)
            raise
        begun = True

    goal = Goal(
        action="Resume-VMReplication -Resynchronize",
        expected="both copies being compared",
        observe=lambda: read_side(context, request.vm),
        # A small machine may be done before it is looked at.
        reached=lambda side: (
            side.state == "Resynchronizing" or (begun and side.state == "Replicating")
        ),
        describe=described,
        refuse=lambda side: (
            None
            if side.mode == "Primary" and side.state in COMPARABLE
            else not_ready(
                side,
                "A resynchronization",
                "a primary whose first copy is complete",
                "Wait for the first copy, or reverse replicate after a failover.",
            )
        ),
    )
    return await reach(context, goal, compare)


async def _go_on(context: VerbContext, vm: VirtualMachineRef) -> None:
    """What was paused for a comparison that is refused goes on as before."""
    try:
        await run_on(context, vm, "Resume-VMReplication")
    except PowerShellFailure as error:
        # The refusal is told, with the state as it is then.
        log.warning("replication.left_paused", vm_id=vm.vm_id, host=vm.host, error=str(error))


def _resume_refusal(side: ReplicationState) -> Failure | None:
    if side.state in RESUMABLE:
        return None
    if side.state == RESYNC_REQUIRED:
        return failure(
            "ResynchronizationRequired",
            f"Replication of the virtual machine {side.vm_id} on {side.host} cannot just go on:"
            " changes were not tracked for a while.",
            [
                "The tracking logs grew over half the size of the disks.",
                "The host went down while the virtual machine ran.",
                "A disk was changed from outside.",
            ],
            "Resynchronize the virtual machine: both copies are compared and what differs is sent.",
        )
    return not_ready(
        side,
        "Resuming",
        "a replication that is paused or in error",
        "Look at the state on the host; nothing may have to be done.",
    )
