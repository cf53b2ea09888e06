"""Commands of an offline first copy: export it, stop the export, look for it, import it."""

from __future__ import annotations

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.first_copy_pb2 import (
    ExportInitialReplication,
    FirstCopyFolder,
    ImportInitialReplication,
    ReadFirstCopy,
    StopInitialReplication,
)
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.fabric.first_copy_folders import folder_of, read_folders
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import machine_id
from agent.verbs.relationship import described, not_ready, read_side, run_on

EXPORT_BEGUN = frozenset({"InitialReplicationInProgress", "Replicating"})
"""States of a primary whose export runs or has ended, and of one whose import has ended too."""

STOPPABLE = frozenset({"InitialReplicationInProgress", "Error", "Suspended"})
"""States of a primary with a first copy that can be given up; Hyper-V refuses an ended export."""


async def export_initial_replication(
    request: ExportInitialReplication, context: VerbContext
) -> ReplicationState:
    """Begins to export the first copy to a folder; does not wait for its end.

    Should Start-VMInitialReplication wait for the export (that it does not is seen, not
    documented), the state tells that it has begun, and Hyper-V goes on without the caller.

    Idempotent: an export that runs or has ended is left alone.

    Raises:
        CommandError: The machine is no primary that waits for its first copy, or Hyper-V refused,
            for example because its host may not write to the path.
    """
    goal = Goal(
        action="Start-VMInitialReplication",
        expected="the export of the first copy begun",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Primary" and side.state in EXPORT_BEGUN,
        describe=described,
        refuse=_export_refusal,
    )
    return await reach(
        context,
        goal,
        lambda _: run_on(
            context,
            request.vm,
            "Start-VMInitialReplication",
            DestinationPath=request.export_path,
        ),
    )


async def stop_initial_replication(
    request: StopInitialReplication, context: VerbContext
) -> ReplicationState:
    """Gives up a first copy or export that has not ended, so that it can begin again.

    Idempotent: a primary that waits for its first copy is left alone.

    Raises:
        CommandError: There is nothing to give up: the copy is complete, or its export has ended.

    Source: Stop-VMInitialReplication.
    """
    goal = Goal(
        action="Stop-VMInitialReplication",
        expected="ReadyForInitialReplication",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Primary" and side.state == "ReadyForInitialReplication",
        describe=described,
        refuse=_stop_refusal,
    )
    return await reach(
        context, goal, lambda _: run_on(context, request.vm, "Stop-VMInitialReplication")
    )


async def read_first_copy(request: ReadFirstCopy, context: VerbContext) -> FirstCopyFolder:
    """Looks for the exported folder of a machine below a path. Changes nothing.

    Raises:
        PowerShellError: The path could not be looked at.
    """
    folders = await read_folders(
        context.reader, request.vm.host, request.path, time_limit_seconds=context.read_seconds()
    )
    found = folder_of(machine_id(request.vm), folders)
    answer = FirstCopyFolder(vm_id=request.vm.vm_id, host=request.vm.host, path=request.path)
    if found is not None:
        found.add_to(answer)
    return answer


async def import_initial_replication(
    request: ImportInitialReplication, context: VerbContext
) -> ReplicationState:
    """Imports the carried first copy into the replica and waits until it is complete.

    Idempotent: a replica that replicates is left alone; an import that runs is waited for, and one
    that was cut short begins again.

    Raises:
        CommandError: The machine is no replica that waits for its first copy, Hyper-V refused
            (a folder of another relationship, or not whole), or it took longer than the command
            may: then it goes on, and asking again waits for it.
    """
    goal = Goal(
        action="Import-VMInitialReplication",
        expected="the replica Replicating",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Replica" and side.state == "Replicating",
        describe=_import_described,
        refuse=_import_refusal,
        under_way=lambda side: side.HasField("copy_percent"),
    )
    return await reach(
        context,
        goal,
        lambda _: run_on(context, request.vm, "Import-VMInitialReplication", Path=request.folder),
    )


def _import_described(side: ReplicationState) -> str:
    percent = f", {side.copy_percent} % imported" if side.HasField("copy_percent") else ""
    return described(side) + percent


def _export_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Primary" and side.state == "ReadyForInitialReplication":
        return None
    return not_ready(
        side,
        "The export of the first copy",
        "a primary that is ReadyForInitialReplication",
        "Enable replication first. If an export was broken off, begin it again from the vault.",
    )


def _stop_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Primary" and side.state in STOPPABLE:
        return None
    return not_ready(
        side,
        "Giving up the first copy",
        "a primary whose first copy runs or was broken off",
        "Look at the machine's replication on its host. To begin anew, disable protection and"
        " enable it again.",
    )


def _import_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Replica" and side.state == "WaitingForInitialReplication":
        return None
    return not_ready(
        side,
        "The import of the first copy",
        "a replica that is WaitingForInitialReplication",
        "Look at the replica on its host; the import is for a replica that has no first copy yet.",
    )
