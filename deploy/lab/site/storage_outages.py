"""Shares that hosts lose and get back, with what happens to the machines on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site import guest_control
from deploy.lab.site.model import VMState
from deploy.lab.site.replicator import send_now
from deploy.lab.site.storage_places import lost_share

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore


async def lose_share(site: SiteCore, path: str) -> None:
    """A share is not reachable any more: machines on it stand still.

    Hyper-V of 2016 and later shows them as paused for a storage failure (PausedCritical) and turns
    them off half an hour later; here they stay paused, until the share is back.
    """
    site.faults.set_lost_share(path, lost=True)
    for vm in site.virtual_machines:
        if vm.state is VMState.RUNNING and lost_share(site, vm):
            await guest_control.pause_vm(site, site.host(vm.host_fqdn), vm, None)
            vm.paused_by_storage = True
            site.save_vm(vm)


async def find_share(site: SiteCore, path: str) -> None:
    """It is back: machines that stood still for it go on."""
    site.faults.set_lost_share(path, lost=False)
    for vm in site.virtual_machines:
        if vm.paused_by_storage and not lost_share(site, vm):
            vm.paused_by_storage = False
            site.save_vm(vm)
            if vm.state is VMState.PAUSED:
                await guest_control.resume_vm(site, site.host(vm.host_fqdn), vm, None)
            send_now(site, vm)
