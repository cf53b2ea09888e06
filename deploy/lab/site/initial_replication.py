"""Start- and Stop-VMInitialReplication over the network."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deploy.lab.site.errors import invalid_parameter
from deploy.lab.site.replication_model import LogPosition, ReplicationMode, ReplicationState
from deploy.lab.site.replication_states import Event, apply_event, wrong_state
from deploy.lab.site.replicator import ensure_replicator, send_now
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

LONGEST_SCHEDULE = timedelta(days=7)


async def start(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    start_time: datetime | None,
) -> None:
    """Begin now, or keep the time to begin at (at most seven days ahead)."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.PRIMARY)
        if replication.state is not ReplicationState.READY_FOR_INITIAL_REPLICATION:
            raise wrong_state()
        now = site.clock.now()
        if start_time is not None and start_time > now + LONGEST_SCHEDULE:
            raise invalid_parameter("InitialReplicationStartTime must be within seven days.")
        if start_time is not None and start_time > now:
            replication.initial_replication_start_time = start_time
        else:
            replication.initial_replication_start_time = None
            apply_event(replication, Event.INITIAL_STARTED)
            replication.copy_percent = 0
        site.save_vm(vm)
        scheduled = start_time.isoformat() if start_time else None
        site.record(
            host.fqdn,
            ("initial_replication.started", vm.vm_id),
            command_id,
            {"name": vm.name, "start_time": scheduled},
        )
        ensure_replicator(site, vm)
        send_now(site, vm)


async def stop(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Cancel a copy that runs; what the replica has of it is dropped with the next copy."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.PRIMARY)
        apply_event(replication, Event.INITIAL_STOPPED)
        site.tracker(vm).stop()
        compare = replication.log.compare_at_initial
        replication.log = LogPosition(compare_at_initial=compare)
        replication.copy_percent = None
        site.save_vm(vm)
        site.record(
            host.fqdn, ("initial_replication.stopped", vm.vm_id), command_id, {"name": vm.name}
        )
