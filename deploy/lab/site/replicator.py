"""The task of each primary VM that copies, sends logs, retries and resynchronises."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import first_copy_export, resync_trigger
from deploy.lab.site.copy_sender import Copy, CopyEndedError
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.log_sender import send_cycle, type_of_cycle
from deploy.lab.site.replication_model import (
    OfflineExport,
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
)
from deploy.lab.site.replication_states import Event, allows, apply_event
from deploy.lab.site.retry_schedule import delay_seconds
from deploy.lab.site.tasks import guarded

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine

log = structlog.get_logger(__name__)

_COPYING = (
    ReplicationState.INITIAL_REPLICATION_IN_PROGRESS,
    ReplicationState.RESYNCHRONIZING,
    ReplicationState.WAITING_FOR_UPDATE_COMPLETION,
)
_COMPARABLE = (ReplicationState.WAITING_FOR_START_RESYNCHRONIZE, ReplicationState.SUSPENDED)


def ensure_replicator(site: SiteCore, vm: VirtualMachine) -> None:
    """Start the task if the VM is a primary and has none."""
    runtime = site.runtime(vm)
    if vm.replication is None or vm.replication.mode is not ReplicationMode.PRIMARY:
        return
    if runtime.replicator is None or runtime.replicator.done():
        runtime.replicator = asyncio.create_task(
            guarded(f"replicator {vm.name}", partial(_replicate, site, vm)),
            name=f"replicator {vm.name}",
        )


def send_now(site: SiteCore, vm: VirtualMachine) -> None:
    """Let the next cycle begin without waiting for its time."""
    runtime = site.runtime(vm)
    runtime.next_cycle = 0.0
    runtime.changed.set()


async def _replicate(site: SiteCore, vm: VirtualMachine) -> None:
    runtime = site.runtime(vm)
    while vm.replication is not None and vm.replication.mode is ReplicationMode.PRIMARY:
        runtime.changed.clear()
        due = asyncio.get_running_loop().time() >= runtime.next_cycle
        await _step(site, vm, vm.replication, due=due)
        await _wait_until(runtime.changed, runtime.next_cycle)


async def _wait_until(changed: asyncio.Event, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await changed.wait()
    except TimeoutError:
        return


async def _step(site: SiteCore, vm: VirtualMachine, replication: Replication, *, due: bool) -> None:
    """Do what the state asks for now and set the time of the next look."""
    _renew_statistics(site, vm, replication)
    if replication.export is not None and replication.state in _COPYING and due:
        await _export_or_ship(site, vm, replication, replication.export)
    elif replication.state in _COPYING and due:
        await _copy(site, vm, replication)
    elif replication.state is ReplicationState.REPLICATING and due:
        await _cycle(site, vm, replication)
    elif due and not _start_what_is_scheduled(site, vm, replication):
        _wait_for_what_is_scheduled(site, vm, replication)


def _look_again(site: SiteCore, vm: VirtualMachine, interval_seconds: float) -> None:
    now = asyncio.get_running_loop().time()
    site.runtime(vm).next_cycle = now + site.clock.real_seconds(interval_seconds)


def _renew_statistics(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """Counters belong to the host's monitoring interval: of 12 hours, from 09:00 on, by default."""
    start, now = replication.statistics.monitoring_start, site.now_at(vm.host_fqdn)
    server = site.host(vm.host_fqdn).replication_server
    length = timedelta(seconds=site.clock.real_seconds(server.monitoring_interval.total_seconds()))
    first = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first += server.monitoring_start
    began = first + (now - first) // length * length
    if start is None or start < began:
        replication.statistics = ReplicationStatistics(
            monitoring_start=now if start is None else began,
            initial_size_bytes=replication.statistics.initial_size_bytes,
        )


def _wait_for_what_is_scheduled(
    site: SiteCore, vm: VirtualMachine, replication: Replication
) -> None:
    """Looks again when the next cycle would be due, or at the first start scheduled before."""
    _look_again(site, vm, replication.frequency_seconds)
    runtime, loop = site.runtime(vm), asyncio.get_running_loop()
    now = site.now_at(vm.host_fqdn)
    for start in (replication.initial_replication_start_time, replication.resynchronize_start_time):
        if start is not None and start > now:
            at = loop.time() + (start - now).total_seconds()
            runtime.next_cycle = min(runtime.next_cycle, at)


def _start_what_is_scheduled(site: SiteCore, vm: VirtualMachine, replication: Replication) -> bool:
    """Starts a copy or a comparison whose time has come; whether it did."""
    now = site.now_at(vm.host_fqdn)
    start = replication.initial_replication_start_time
    if (
        replication.state is ReplicationState.READY_FOR_INITIAL_REPLICATION
        and start is not None
        and start <= now
    ):
        replication.initial_replication_start_time = None
        apply_event(replication, Event.INITIAL_STARTED)
    elif _is_resynchronization_due(replication, now):
        replication.resynchronize_start_time = None
        apply_event(replication, Event.RESYNC_STARTED)
    else:
        return False
    site.save_vm(vm)
    send_now(site, vm)
    return True


def _is_resynchronization_due(replication: Replication, now: datetime) -> bool:
    scheduled = replication.resynchronize_start_time
    if scheduled is not None and scheduled <= now and replication.state in _COMPARABLE:
        return True
    return (
        replication.state is ReplicationState.WAITING_FOR_START_RESYNCHRONIZE
        and replication.auto_resync_enabled
        and in_window(replication, now)
    )


def in_window(replication: Replication, now: datetime) -> bool:
    """Whether automatic resynchronisation may run; hosts of the lab keep UTC."""
    utc = now.astimezone(UTC)
    clock = timedelta(hours=utc.hour, minutes=utc.minute, seconds=utc.second)
    start, end = replication.auto_resync_start, replication.auto_resync_end
    return start <= clock < end if start <= end else clock >= start or clock < end


async def _cycle(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    _look_again(site, vm, replication.frequency_seconds)
    async with site.runtime(vm).lock:
        if replication.state is not ReplicationState.REPLICATING:
            return
        try:
            await send_cycle(site, vm, replication, type_of_cycle(site, vm, replication))
        except LinkError as error:
            note_failure(site, vm, replication, error)


async def _export_or_ship(
    site: SiteCore, vm: VirtualMachine, replication: Replication, told: OfflineExport
) -> None:
    """An offline first copy: write it out, then send changes until it is imported."""
    if not told.finished:
        await first_copy_export.export(site, vm, replication)
        send_now(site, vm)
        return
    _look_again(site, vm, replication.frequency_seconds)
    async with site.runtime(vm).lock:
        if replication.state is not ReplicationState.INITIAL_REPLICATION_IN_PROGRESS:
            return
        try:
            await first_copy_export.ship_before_import(site, vm, replication)
        except LinkError as error:
            note_failure(site, vm, replication, error)


async def _copy(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    try:
        await Copy(site, vm, replication).run()
    except CopyEndedError:
        replication.copy_percent = None
    except LinkError as error:
        note_failure(site, vm, replication, error)
    else:
        log.info("copy.finished", vm=vm.name, site=site.name)
        site.record(
            vm.host_fqdn, ("copy.finished", vm.vm_id), None, {"state": replication.state.value}
        )
        send_now(site, vm)


def note_failure(
    site: SiteCore, vm: VirtualMachine, replication: Replication, error: LinkError
) -> None:
    """Count a failed attempt and decide: again later, resynchronise, or wait for somebody."""
    replication.log.failures += 1
    replication.statistics.errors += 1
    replication.last_error = error.text
    log.warning("replication.failed", vm=vm.name, site=site.name, reason=error.text)
    if error.needs_resynchronization:
        resync_trigger.require(site, vm, error.text)
        return
    if not error.recoverable:
        _give_up(replication)
    delay = delay_seconds(replication.log.failures)
    replication.statistics.misses += max(1, int(delay // replication.frequency_seconds))
    site.save_vm(vm)
    _look_again(site, vm, delay)


def _give_up(replication: Replication) -> None:
    if allows(replication, Event.FAILED):
        apply_event(replication, Event.FAILED)
    elif allows(replication, Event.RESYNC_INTERRUPTED):
        apply_event(replication, Event.RESYNC_INTERRUPTED)
