"""When VMM says a machine was modified: as often as something it shows of it has changed."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.site.model import VirtualMachine


def stamp_modification(vm: VirtualMachine, now: datetime) -> None:
    """Sets the time of modification when what VMM shows is not what it was.

    In a capture of VMM 2012 R2 a machine's time is that of the last refresh that found something
    new, and its devices' follow it within a moment. Cycles of replication are not shown by VMM.
    """
    shown = repr(
        (
            (vm.name, vm.host_fqdn, vm.cloud_id, vm.state, vm.highly_available, vm.known_to_vmm),
            (vm.processors, vm.memory_startup_bytes, vm.operating_system, vm.notes),
            (vm.fibre_channel_adapters, vm.encrypted, vm.shielded, vm.computer_name),
            (vm.integration_services_version, vm.dr_protection_required, vm.checkpoints),
            vm.disks,
            vm.adapters,
            None if vm.replication is None else vm.replication.mode,
        )
    )
    digest = hashlib.sha256(shown.encode()).hexdigest()
    if digest != vm.shown_digest:
        later = vm.modified is not None and vm.modified >= now
        vm.modified = vm.modified + timedelta(milliseconds=1) if later and vm.modified else now
        vm.shown_digest = digest
