"""Start- and Stop-VMInitialReplication: over the network, to a folder, or as a comparison."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deploy.lab.site import first_copy_export
from deploy.lab.site.errors import invalid_parameter, operation_failed
from deploy.lab.site.replication_model import (
    LogPosition,
    Replication,
    ReplicationMode,
    ReplicationState,
)
from deploy.lab.site.replication_states import Event, apply_event, wrong_state
from deploy.lab.site.replicator import ensure_replicator, send_now
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

LONGEST_SCHEDULE = timedelta(days=7)


async def start(  # noqa: PLR0913 - the parameters of the cmdlet
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    start_time: datetime | None,
    *,
    destination_path: str | None = None,
    use_backup: bool = False,
) -> None:
    """Begin now, or keep the time to begin at (at most seven days ahead).

    With a destination path the copy goes to a folder there, now; with use_backup only what differs
    from the copy that the replica was made of is sent.
    """
    if destination_path is not None and (start_time is not None or use_backup):
        raise invalid_parameter("DestinationPath excludes a start time and UseBackup.")
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.PRIMARY)
        if replication.state is not ReplicationState.READY_FOR_INITIAL_REPLICATION:
            raise wrong_state()
        now = site.clock.now()
        if start_time is not None and start_time > now + LONGEST_SCHEDULE:
            raise invalid_parameter("InitialReplicationStartTime must be within seven days.")
        _choose_comparison(vm, replication, use_backup=use_backup)
        replication.export = (
            None
            if destination_path is None
            else first_copy_export.begin(site, host, vm, destination_path)
        )
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
            {"name": vm.name, "start_time": scheduled, "destination_path": destination_path},
        )
        ensure_replicator(site, vm)
        send_now(site, vm)


def _choose_comparison(vm: VirtualMachine, replication: Replication, *, use_backup: bool) -> None:
    """Decide whether disks are compared: with a replica made of an existing machine when asked for.

    After a reversal they always are; how Hyper-V chooses there is not documented.
    """
    if use_backup and not (replication.log.copy_exists or replication.log.compare_at_initial):
        raise operation_failed(
            f"The Replica server has no copy of '{vm.name}' to be used. "
            f"(Virtual machine ID {vm.vm_id.upper()})"
        )
    if replication.log.copy_exists:
        replication.log.compare_at_initial = use_backup


async def stop(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Cancel a copy that runs; what the replica has of it is dropped with the next copy."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.PRIMARY)
        first_copy_export.refuse_finished(vm, replication)
        if replication.log.initial_done:
            raise wrong_state()
        apply_event(replication, Event.INITIAL_STOPPED)
        site.tracker(vm).stop()
        before = replication.log
        replication.log = LogPosition(
            compare_at_initial=before.compare_at_initial, copy_exists=before.copy_exists
        )
        replication.export = None
        replication.last_error = ""
        replication.copy_percent = None
        site.save_vm(vm)
        site.record(
            host.fqdn, ("initial_replication.stopped", vm.vm_id), command_id, {"name": vm.name}
        )
