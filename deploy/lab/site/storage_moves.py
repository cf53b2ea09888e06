"""Move-VMStorage: the files of a VM go to other folders of its host."""

from __future__ import annotations

import asyncio
import ntpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from deploy.lab.site import disk as disk_files
from deploy.lab.site.errors import (
    HyperVError,
    invalid_parameter,
    invalid_state,
    operation_failed,
)
from deploy.lab.site.model import VMState
from deploy.lab.site.space import has_room, place_at

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Disk, Host, VirtualMachine


@dataclass(frozen=True)
class StorageMove:
    """Where files go.

    Attributes:
        disks: Present path of a virtual disk to its new one.
        configuration: Folder for the machine's own files; empty: they stay.
    """

    disks: Mapping[str, str]
    configuration: str = ""


async def move(
    site: SiteCore, host: Host, vm: VirtualMachine, wanted: StorageMove, command_id: str | None
) -> None:
    """Copy each disk, let the VM use the copies, delete the old files.

    Allowed in every state of replication: a log or a part of a first copy that comes meanwhile
    waits. Power lost on the way leaves the VM where it was. The texts of the refusals are the
    lab's; those of Hyper-V are not publicly known.

    Raises:
        HyperVError: A path that the host does not reach or that is the present one, a full place,
            another file there, a disk the VM does not have, a changed file name; the VM's storage
            is being moved already.
    """
    if vm.state is not VMState.OFF:
        # Hyper-V moves a running VM's storage too; the lab's guests hold on to their files.
        raise HyperVError(
            "LabParameterMissing",
            "NotImplemented",
            f"The lab does not emulate moving the storage of '{vm.name}' while it runs.",
        )
    runtime = site.runtime(vm)
    if runtime.storage_is_moved:
        raise invalid_state(f"The storage of '{vm.name}' is being moved already.")
    runtime.storage_is_moved = True
    try:
        await _move(site, host, vm, wanted, command_id)
    finally:
        runtime.storage_is_moved = False


async def _move(
    site: SiteCore, host: Host, vm: VirtualMachine, wanted: StorageMove, command_id: str | None
) -> None:
    async with site.runtime(vm).lock:
        moves = _moves(site, host, vm, wanted)
        if wanted.configuration and place_at(site, host.fqdn, wanted.configuration) is None:
            raise _failed(vm, f"'{wanted.configuration}': the path was not found. (0x80070003)")
        _check_room(site, host, vm, moves)
        old_files = []
        for disk, path in moves:
            old_files.append(site.folder / disk.file)
            disk.file = await _copy(site, disk)
            disk.path = path
            place = place_at(site, host.fqdn, path)
            disk.classification = None if place is None else place.classification
        if wanted.configuration:
            vm.path = wanted.configuration
        site.save_vm(vm)
        for file in old_files:
            file.unlink(missing_ok=True)
        site.record(
            host.fqdn,
            ("storage.moved", vm.vm_id),
            command_id,
            {"name": vm.name, "disks": {disk.id: path for disk, path in moves}},
        )


def _moves(
    site: SiteCore, host: Host, vm: VirtualMachine, wanted: StorageMove
) -> list[tuple[Disk, str]]:
    by_path = {disk.path.lower(): disk for disk in vm.disks}
    moves = []
    for source, target in wanted.disks.items():
        disk = by_path.get(source.lower())
        if disk is None:
            raise invalid_parameter(f"'{vm.name}' has no virtual hard disk '{source}'.")
        if ntpath.basename(source).lower() != ntpath.basename(target).lower():
            raise invalid_parameter(f"The name of the virtual hard disk '{source}' cannot change.")
        if source.lower() == target.lower():
            raise invalid_parameter(f"The virtual hard disk '{source}' is there already.")
        if place_at(site, host.fqdn, target) is None or site.faults.is_lost(target):
            raise _failed(vm, f"'{target}': the path was not found. (0x80070003)")
        if _taken(site, host, target):
            raise _failed(vm, f"'{target}': the file exists. (0x80070050)")
        moves.append((disk, target))
    if not moves and not wanted.configuration:
        raise invalid_parameter("Nothing was said about what is to be moved where.")
    return moves


def _taken(site: SiteCore, host: Host, path: str) -> bool:
    return any(
        disk.path.lower() == path.lower() for each in site.vms_on(host) for disk in each.disks
    )


def _check_room(
    site: SiteCore, host: Host, vm: VirtualMachine, moves: list[tuple[Disk, str]]
) -> None:
    """Each place must have room for all the files that go there."""
    needed: dict[str, int] = {}
    for disk, path in moves:
        place = place_at(site, host.fqdn, path)
        key = "" if place is None else place.id
        needed[key] = needed.get(key, 0) + disk_files.allocated_bytes(site.folder / disk.file)
        if not has_room(site, host, path, max(1, needed[key])):
            raise _failed(vm, "There is not enough space on the disk. (0x80070070)")


async def _copy(site: SiteCore, disk: Disk) -> str:
    """A copy in the VM's folder under a new name; returns its place below the site's folder."""
    old = PurePosixPath(disk.file)
    name, _, number = old.stem.partition("~")
    new = old.with_name(f"{name}~{int(number or 0) + 1}{old.suffix}")
    if (site.folder / old).exists():
        await asyncio.to_thread(disk_files.copy_sparse, site.folder / old, site.folder / new)
    return str(new)


def _failed(vm: VirtualMachine, why: str) -> HyperVError:
    return operation_failed(
        f"Storage migration for virtual machine '{vm.name}' ({vm.vm_id.upper()}) failed. {why}"
    )
