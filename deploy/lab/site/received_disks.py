"""Making a replica's disks those that its primary replicates."""

from __future__ import annotations

import ntpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy.lab.site import disk as disk_files
from deploy.lab.site.model import Disk

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine


def match_disks(site: SiteCore, vm: VirtualMachine, wanted: Sequence[Disk]) -> None:
    """Add empty disks for those that are new and delete those that are no longer sent.

    What Windows does with the file of a disk that is taken out is not documented. The caller
    compares all disks afterwards: whether Windows keeps recovery points over a change of the disks
    is not known either, so in the lab they are lost.
    """
    names = {each.id for each in wanted}
    for gone in [each for each in vm.disks if each.id not in names]:
        (site.folder / gone.file).unlink(missing_ok=True)
        vm.disks.remove(gone)
    known = {each.id for each in vm.disks}
    folder = ntpath.dirname(vm.disks[0].path) if vm.disks else ntpath.dirname(vm.path)
    for new in [each for each in wanted if each.id not in known]:
        made = Disk(
            id=new.id,
            path=ntpath.join(folder, ntpath.basename(new.path)),
            file=f"hosts/{vm.host_fqdn}/vms/{vm.vm_id}/disks/{new.id}.vhdx",
            size_bytes=new.size_bytes,
            controller_type=new.controller_type,
            controller_number=new.controller_number,
            controller_location=new.controller_location,
            classification=vm.disks[0].classification if vm.disks else None,
        )
        disk_files.create(site.folder / made.file, made.size_bytes)
        vm.disks.append(made)
