"""The checkpoint of a VM that a copy is read from while the guest goes on writing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site import disk

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine


def _folder(site: SiteCore, vm: VirtualMachine) -> Path:
    return site.vm_folder(vm) / "checkpoint"


async def take(site: SiteCore, vm: VirtualMachine) -> dict[str, Path]:
    """Hold the guest's writes for a moment, copy the disks, begin tracking at that moment.

    Returns:
        Disk id to the copy's file.
    """
    replication = vm.replication
    files = site.disk_files(vm)
    copies = {disk_id: _folder(site, vm) / disk_id for disk_id in files}
    async with site.runtime(vm).gate:
        for disk_id, file in files.items():
            await asyncio.to_thread(disk.copy, file, copies[disk_id])
        if replication is not None:
            site.tracker(vm).start()
            replication.log.tracking = True
            replication.log.damaged = False
            replication.log.sequence = 1
            site.save_vm(vm)
    return copies


def drop(site: SiteCore, vm: VirtualMachine) -> None:
    shutil.rmtree(_folder(site, vm), ignore_errors=True)
