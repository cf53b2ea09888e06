"""A site's power: opening it, booting its hosts, shutting them down, cutting the current."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import (
    checkpoint,
    failover,
    first_copy_export,
    guest_control,
    received_copies,
    resync_trigger,
)
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import VirtualMachine, VMState
from deploy.lab.site.replication_model import Replication, ReplicationMode, ReplicationState
from deploy.lab.site.replicator import ensure_replicator
from deploy.lab.site.site import Site
from deploy.lab.site.site_maker import make_site
from deploy.lab.site.store import SiteStore
from deploy.lab.site.virtual_networks import give_out_from_start

if TYPE_CHECKING:
    from deploy.lab.site.environment import Environment
    from deploy.lab.site.topology import Topology

log = structlog.get_logger(__name__)


def open_site(topology: Topology, name: str, environment: Environment) -> Site:
    """Load the site, making it first when its folder has none. Nothing runs yet.

    Raises:
        TopologyError: The topology has no such site.
    """
    name = topology.site(name).name
    environment = replace(environment, guest=topology.guest)
    if SiteStore(environment.state_dir / name).exists():
        return Site(name, environment)
    shutil.rmtree(environment.state_dir / name / "hosts", ignore_errors=True)
    make_site(topology, name, environment)
    site = Site(name, environment)
    give_out_from_start(site)
    return site


async def boot(site: Site) -> None:
    """Mend what a loss of power left, open the listeners, start VMs and replicators."""
    power_was_lost = site.store.was_running()
    for vm in site.virtual_machines:
        await _recover(site, vm, power_was_lost=power_was_lost)
    site.store.mark_running()
    for host in site.hosts:
        await site.listeners.refresh(site, host)
    for vm in site.virtual_machines:
        ensure_replicator(site, vm)
        if _starts_by_itself(vm):
            await _start(site, vm)
    log.info("site.booted", site=site.name, power_was_lost=power_was_lost)


def _starts_by_itself(vm: VirtualMachine) -> bool:
    action = vm.automatic_start_action
    return action == "Start" or (action == "StartIfRunning" and vm.was_running)


async def _start(site: Site, vm: VirtualMachine) -> None:
    try:
        host = site.host(vm.host_fqdn)
        await guest_control.start_vm(site, host, vm, None, cause="automatic start")
    except HyperVError as error:
        log.info("automatic_start.refused", vm=vm.name, reason=error.message)


async def _recover(site: Site, vm: VirtualMachine, *, power_was_lost: bool) -> None:
    """A VM that ran is off; a log that was open then is not to be trusted."""
    ran = power_was_lost and vm.state is not VMState.OFF
    if vm.state is not VMState.OFF:
        vm.state = VMState.OFF
        vm.started = None
        site.save_vm(vm)
    replication = vm.replication
    if replication is None:
        return
    checkpoint.drop(site, vm)
    if replication.mode is ReplicationMode.REPLICA:
        replication.copy_percent = None
        if replication.state is not ReplicationState.WAITING_FOR_INITIAL_REPLICATION:
            await _redo(site, vm, replication)
        failover.recover_after_power_loss(site, vm, replication, ran=ran)
        return
    failover.drop_base(site, vm)
    if replication.export is not None and not replication.export.finished:
        if replication.state is ReplicationState.INITIAL_REPLICATION_IN_PROGRESS:
            first_copy_export.break_off(
                site, vm, replication, "The export of the first copy was broken off."
            )
        return
    if ran and replication.log.tracking:
        resync_trigger.require(site, vm, "A change log was not closed when power was lost.")
    elif replication.log.tracking:
        site.tracker(vm).tidy(replication.log.sequence)


async def _redo(site: Site, vm: VirtualMachine, replication: Replication) -> None:
    """Apply a stored log again, whole, if its effect was not yet noted; drop others."""
    received = site.received(vm)
    for sequence in received.stored():
        if sequence == replication.log.applied + 1:
            keep_undo = bool(replication.recovery_points)
            await asyncio.to_thread(
                received.apply, sequence, site.disk_files(vm), keep_undo=keep_undo
            )
            if sequence == received_copies.COMPARISON_SEQUENCE:
                received_copies.settle(site, vm, replication)
            else:
                replication.log.applied = sequence
                replication.last_applied_log_time = site.clock.now()
                site.save_vm(vm)
        received.finish(sequence)


async def _end_tasks(site: Site) -> None:
    tasks = [
        task
        for vm in site.virtual_machines
        for task in (
            site.runtime(vm).replicator,
            site.runtime(vm).guest_task,
            site.runtime(vm).import_task,
        )
        if task is not None
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def shut_down(site: Site) -> None:
    """Shut the hosts down in order.

    Guests are shut down whatever their AutomaticStopAction says (the lab has no saved state);
    ``was_running`` stays, so that they start with the host.
    """
    for vm in site.virtual_machines:
        if vm.state is VMState.RUNNING:
            await guest_control.end_guest(site, vm, turn_off=False)
            vm.state = VMState.OFF
            vm.started = None
            site.save_vm(vm)
    await site.listeners.close()
    await _end_tasks(site)
    site.store.mark_shut_down()


async def lose_power(site: Site) -> None:
    """What kill -9 does to the daemon, for a site within this process: nothing is saved."""
    await _end_tasks(site)
    await site.listeners.close()
