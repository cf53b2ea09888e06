"""The command that puts a replica's disks where its storage mapping says."""

from __future__ import annotations

import ntpath
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.storage_pb2 import MoveReplicaStorage, ReplicaStorage

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Value, cmdlet, select
from agent.powershell.errors import PowerShellFailure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import VIRTUAL_MACHINE_NOT_FOUND, machine_id, read_machine, vm_pipeline
from agent.verbs.relationship import run_on

_BEING_MOVED = frozenset({"StorageMigrationPhaseOne", "StorageMigrationPhaseTwo"})
"""VMOperationalStatus of a machine while Hyper-V moves its files; it refuses a second move."""


@dataclass(frozen=True)
class _Disks:
    """Present paths of a machine's disks, which of them go where, and whether any is on its way."""

    paths: tuple[str, ...]
    moves: Mapping[str, str]
    being_moved: bool = False

    def __str__(self) -> str:
        moving = ", storage being moved" if self.being_moved else ""
        return f"{len(self.moves)} of {len(self.paths)} disks not where they are to be{moving}"


async def move_replica_storage(request: MoveReplicaStorage, context: VerbContext) -> ReplicaStorage:
    """Moves disks of a replica to the shares and volumes chosen for them.

    They lie there as Hyper-V Replica itself would have put them. Hyper-V moves storage before,
    during and after the first copy; replication waits meanwhile.

    Idempotent: disks that are where they are to be stay. A move that was begun goes on without the
    agent and is waited for.

    Raises:
        CommandError: No host has the replica, it lacks a disk that the command names, or Hyper-V
            refuses: a place that the host does not reach, or without room.

    Source: SPEC ST-2; Move-VMStorage.
    """
    vm = await _find(request, context)

    async def act(disks: _Disks) -> None:
        parameters: dict[str, Value] = {
            "Vhds": tuple(
                {"SourceFilePath": source, "DestinationFilePath": target}
                for source, target in disks.moves.items()
            )
        }
        if request.configuration_location:
            folder = _folder(request.configuration_location, "Virtual Machines", vm)
            parameters |= {
                "VirtualMachinePath": folder,
                "SnapshotFilePath": folder,
                "SmartPagingFilePath": folder,
            }
        await run_on(context, vm, "Move-VMStorage", **parameters)

    goal = Goal(
        action="Move-VMStorage",
        expected="every disk where it is to be",
        observe=lambda: _look(request, context, vm),
        reached=lambda disks: not disks.moves,
        describe=str,
        under_way=lambda disks: disks.being_moved,
    )
    disks = await reach(context, goal, act)
    return ReplicaStorage(vm_id=str(machine_id(vm)), host=vm.host, disk_paths=disks.paths)


async def _find(request: MoveReplicaStorage, context: VerbContext) -> VirtualMachineRef:
    """The replica on the host it was placed on, or on another node of that host's cluster."""
    try:
        await read_machine(context, request.vm)
    except CommandError as error:
        if error.failure.code != VIRTUAL_MACHINE_NOT_FOUND:
            raise
        for host in request.other_hosts:
            vm = VirtualMachineRef(vm_id=request.vm.vm_id, host=host)
            try:
                await read_machine(context, vm)
            except (CommandError, PowerShellFailure):
                # A node that is down cannot have it.
                continue
            return vm
        raise
    return request.vm


async def _look(request: MoveReplicaStorage, context: VerbContext, vm: VirtualMachineRef) -> _Disks:
    found = await context.reader.run(
        *vm_pipeline(vm, cmdlet("Get-VMHardDiskDrive"), select("Path")),
        time_limit_seconds=context.read_seconds(),
    )
    paths = tuple(path for disk in found if (path := disk.optional_text("Path")))
    left = list(paths)
    moves: dict[str, str] = {}
    for wanted in request.disks:
        folder = _folder(wanted.storage_location, "Virtual hard disks", vm)
        source = _disk_named(left, wanted.file_name, folder)
        if source is None:
            raise CommandError(
                failure(
                    "ReplicaDiskNotFound",
                    f"The replica {request.vm.vm_id} on {vm.host} has no disk {wanted.file_name}.",
                    [
                        "The machine's disks were changed since the server was last refreshed.",
                        "The disk does not take part in the replication.",
                    ],
                    "Refresh the primary server, then enable protection again.",
                )
            )
        left.remove(source)
        if not _lies_in(source, folder):
            # Hyper-V demands the very name the file has.
            moves[source] = ntpath.join(folder, ntpath.basename(source))
    return _Disks(paths, moves, bool(moves) and await _is_being_moved(context, vm))


async def _is_being_moved(context: VerbContext, vm: VirtualMachineRef) -> bool:
    found = await context.reader.run(
        *vm_pipeline(vm, select("OperationalStatus")),
        time_limit_seconds=context.read_seconds(),
    )
    return any(_BEING_MOVED.intersection(record.strings("OperationalStatus")) for record in found)


def _disk_named(paths: list[str], file_name: str, folder: str) -> str | None:
    """The disk with that file name; of several the one that is there already, else the first."""
    named = [path for path in paths if ntpath.basename(path).casefold() == file_name.casefold()]
    there = [path for path in named if _lies_in(path, folder)]
    return next(iter(there + named), None)


def _lies_in(path: str, folder: str) -> bool:
    return ntpath.dirname(path).casefold() == folder.casefold()


def _folder(location: str, kind: str, vm: VirtualMachineRef) -> str:
    r"""Where Hyper-V Replica keeps a machine's files: <place>\Hyper-V Replica\<kind>\<id>."""
    return ntpath.join(location, "Hyper-V Replica", kind, str(UUID(vm.vm_id)).upper())
