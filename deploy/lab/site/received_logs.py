"""Taking a change log: store, save what it overwrites, apply, keep recovery points."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from deploy.lab.site.change_log import DamagedLogError
from deploy.lab.site.disk import DiskBoundsError
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.replica_lookup import check_space, replica_of
from deploy.lab.site.replication_model import (
    RecoveryPoint,
    Replication,
    ReplicationState,
    ReplicationType,
    SnapshotType,
)
from deploy.lab.site.replication_states import Event, apply_event

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Answer, Caller
    from deploy.lab.site.model import Host, VirtualMachine

POINT_INTERVAL_SECONDS = 3600.0


async def take_log(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Apply the log that follows the last one.

    A log that was applied already is acknowledged without being applied again, because the first
    acknowledgement may have been lost; any other number means that one is missing.
    """
    vm, replication = replica_of(site, host, caller, header)
    async with site.runtime(vm).lock:
        waiting = replication.state is ReplicationState.WAITING_FOR_INITIAL_REPLICATION
        if waiting and header.get("before_import"):
            return await _keep_until_import(site, host, vm, int(header["sequence"]), body), b""
        _check_state(replication)
        sequence = int(header["sequence"])
        if sequence <= replication.log.applied:
            return {"applied": replication.log.applied, "imported": True}, b""
        if sequence != replication.log.applied + 1:
            raise LinkError(
                LinkFailure.OUT_OF_SEQUENCE,
                f"Log {replication.log.applied + 1} was expected, log {sequence} came.",
            )
        check_space(site, host, [disk.path for disk in vm.disks], len(body))
        await _apply(site, vm, replication, sequence, body)
        _note_applied(site, vm, replication, header)
        site.save_vm(vm)
        site.received(vm).finish(sequence)
        return {"applied": sequence, "imported": True}, b""


async def _keep_until_import(
    site: SiteCore, host: Host, vm: VirtualMachine, sequence: int, body: bytes
) -> dict[str, Any]:
    """A log that comes before the offline first copy: kept, and merged when that is imported."""
    replication = vm.replication
    if replication is None or sequence > replication.log.stored + 1:
        raise LinkError(LinkFailure.OUT_OF_SEQUENCE, f"Log {sequence} came too early.")
    check_space(site, host, [disk.path for disk in vm.disks], len(body))
    if sequence > replication.log.stored:
        try:
            await asyncio.to_thread(site.received(vm).store, sequence, body)
        except DamagedLogError as error:
            raise LinkError(LinkFailure.DAMAGED, str(error)) from error
        replication.log.stored = sequence
        replication.last_replication_time = site.now_at(vm.host_fqdn)
        site.save_vm(vm)
    return {"stored": sequence, "imported": False}


def _check_state(replication: Replication) -> None:
    if replication.state is ReplicationState.SUSPENDED:
        raise LinkError(LinkFailure.PAUSED, "Replication is paused on the Replica server.")
    if replication.state is not ReplicationState.REPLICATING:
        # Not known of Hyper-V: what a late log meets after a failover. Here it is refused for
        # good, as an invalid replica state.
        raise LinkError(
            LinkFailure.INVALID_STATE,
            f"The Replica virtual machine is in the state {replication.state}.",
        )


async def _apply(
    site: SiteCore, vm: VirtualMachine, replication: Replication, sequence: int, body: bytes
) -> None:
    received = site.received(vm)
    try:
        await asyncio.to_thread(received.store, sequence, body)
        await asyncio.to_thread(
            received.apply,
            sequence,
            site.disk_files(vm),
            keep_undo=bool(replication.recovery_points),
        )
    except DamagedLogError as error:
        raise LinkError(LinkFailure.DAMAGED, str(error)) from error
    except DiskBoundsError as error:
        received.finish(sequence)
        apply_event(replication, Event.FAILED)
        replication.last_error = str(error)
        site.save_vm(vm)
        raise LinkError(LinkFailure.BOUNDS, str(error)) from error


def _note_applied(
    site: SiteCore, vm: VirtualMachine, replication: Replication, header: dict[str, Any]
) -> None:
    now = site.now_at(vm.host_fqdn)
    log = replication.log
    log.applied = int(header["sequence"])
    replication.last_applied_log_time = replication.last_replication_time = now
    replication.last_replication_type = ReplicationType(header["type"])
    replication.recovery_history = int(header["recovery_history"])
    replication.frequency_seconds = int(header["frequency_seconds"])
    log.planned_sequence = (
        log.applied if replication.last_replication_type is ReplicationType.PLANNED else None
    )
    statistics = replication.statistics
    statistics.successes += 1
    statistics.sum_size_bytes += int(header["size_bytes"])
    statistics.maximum_size_bytes = max(statistics.maximum_size_bytes, int(header["size_bytes"]))
    keep_points(site, vm, replication)


def keep_points(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """Make the point that is due now, and drop points and undo logs over the history's length.

    The point that a planned failover makes on Windows (SyncedReplica) is not modelled: whether it
    shows up is not documented, and the base disks hold the same bytes.
    """
    now = site.now_at(vm.host_fqdn)
    points = replication.recovery_points
    consistent = replication.last_replication_type is ReplicationType.APPLICATION_CONSISTENT
    interval = timedelta(seconds=site.clock.real_seconds(POINT_INTERVAL_SECONDS))
    due = consistent or not points or now - points[-1].created >= interval
    if replication.recovery_history > 0 and due:
        kind = "Application-consistent" if consistent else "Standard"
        stamp = f"{now:%m/%d/%Y} - {now:%H:%M:%S}"
        points.append(
            RecoveryPoint(
                id=site.environment.new_id(),
                name=f"{vm.name} - {kind} Replica - ({stamp})",
                type=SnapshotType.APP_CONSISTENT_REPLICA if consistent else SnapshotType.REPLICA,
                created=now,
                sequence=replication.log.applied,
            )
        )
    del points[: max(0, len(points) - replication.recovery_history)]
    undo = site.received(vm).undo
    if points:
        undo.drop_until(points[0].sequence)
    else:
        undo.drop_all()
