"""When a replication can only go on after a resynchronisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from deploy.lab.site.replication_model import ReplicationState
from deploy.lab.site.replication_states import Event, allows, apply_event
from deploy.lab.site.storage_places import full_volume

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine

log = structlog.get_logger(__name__)

LOG_SHARE_OF_DISKS = 0.5


def note_write(site: SiteCore, vm: VirtualMachine) -> None:
    """After a write: tracking logs over half of the disks' size make a resync necessary."""
    replication = vm.replication
    if replication is None or not replication.log.tracking:
        return
    if full_volume(site, vm):
        # A log that cannot be written makes the resynchronisation necessary; the guest itself goes
        # on within blocks that its disks have already.
        require(site, vm, "A change log could not be written: there is not enough space.")
        return
    limit = LOG_SHARE_OF_DISKS * sum(disk.size_bytes for disk in vm.disks)
    if site.tracker(vm).pending_bytes() > limit:
        require(site, vm, "The tracking logs have grown over 50 percent of the disks' size.")


def require(site: SiteCore, vm: VirtualMachine, reason: str) -> None:
    """Stop tracking; the primary waits for a resynchronisation.

    A failed-over replica has no state for this: its reverse replication will need it.
    """
    replication = vm.replication
    if replication is None:
        return
    log.warning("resynchronization.required", vm=vm.name, site=site.name, reason=reason)
    site.tracker(vm).stop()
    replication.log.tracking = False
    replication.log.damaged = True
    replication.last_error = reason
    if allows(replication, Event.RESYNC_REQUIRED):
        apply_event(replication, Event.RESYNC_REQUIRED)
    elif replication.state is ReplicationState.INITIAL_REPLICATION_IN_PROGRESS:
        # The copy begins again; one that was exported is compared once it is imported.
        exported = replication.export is not None and replication.export.finished
        replication.copy_percent = None if exported else 0
    site.save_vm(vm)
