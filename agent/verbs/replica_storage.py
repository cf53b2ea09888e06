"""The command that puts a replica's disks where its storage mapping says."""

from __future__ import annotations

import ntpath
from collections.abc import Collection, Mapping
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
    sources = _sources(paths, request, vm)
    moves: dict[str, str] = {}
    for source, folder in sources:
        if not _lies_in(source, folder):
            taken = {path.casefold() for path in (*paths, *moves.values())}
            moves[source] = _free_path(folder, ntpath.basename(source), taken)
    return _Disks(paths, moves, bool(moves) and await _is_being_moved(context, vm))


async def _is_being_moved(context: VerbContext, vm: VirtualMachineRef) -> bool:
    found = await context.reader.run(
        *vm_pipeline(vm, select("OperationalStatus")),
        time_limit_seconds=context.read_seconds(),
    )
    return any(_BEING_MOVED.intersection(record.strings("OperationalStatus")) for record in found)


def _sources(
    paths: Collection[str], request: MoveReplicaStorage, vm: VirtualMachineRef
) -> list[tuple[str, str]]:
    """Which present disk each one that the command names is, with the folder it is to be in.

    Disks of several folders may have one name: those that are where they are to be come first.
    """
    wanted = [
        (disk.file_name.casefold(), _folder(disk.storage_location, "Virtual hard disks", vm))
        for disk in request.disks
    ]
    left = list(paths)
    found: list[tuple[str, str]] = []
    for there in (True, False):
        missing: list[tuple[str, str]] = []
        for name, folder in wanted:
            named = [path for path in left if ntpath.basename(path).casefold() == name]
            fitting = [path for path in named if _lies_in(path, folder) or not there]
            if fitting:
                left.remove(fitting[0])
                found.append((fitting[0], folder))
            else:
                missing.append((name, folder))
        wanted = missing
    if wanted:
        raise _no_disk(wanted[0][0], vm)
    return found


def _no_disk(file_name: str, vm: VirtualMachineRef) -> CommandError:
    return CommandError(
        failure(
            "ReplicaDiskNotFound",
            f"The replica {vm.vm_id} on {vm.host} has no disk {file_name}.",
            [
                "The machine's disks were changed since the server was last refreshed.",
                "The disk does not take part in the replication.",
            ],
            "Refresh the primary server, then enable protection again.",
        )
    )


def _free_path(folder: str, file_name: str, taken: Collection[str]) -> str:
    """A path in a folder, or in a numbered one in it when another disk has the name there.

    Hyper-V demands the very name the file has.
    """
    path = ntpath.join(folder, file_name)
    number = 2
    while path.casefold() in taken:
        path = ntpath.join(folder, str(number), file_name)
        number += 1
    return path


def _lies_in(path: str, folder: str) -> bool:
    parent = ntpath.dirname(path)
    if ntpath.basename(parent).isdecimal():
        parent = ntpath.dirname(parent)
    return parent.casefold() == folder.casefold()


def _folder(location: str, kind: str, vm: VirtualMachineRef) -> str:
    r"""Where Hyper-V Replica keeps a machine's files: <place>\Hyper-V Replica\<kind>\<id>."""
    return ntpath.join(location, "Hyper-V Replica", kind, str(UUID(vm.vm_id)).upper())
