"""A site's power: opening it, booting its hosts, shutting them down, cutting the current."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import cluster_failover, guest_control
from deploy.lab.site.effects import SITE_LOST_POWER, EffectsJournal
from deploy.lab.site.host_power import note_boot
from deploy.lab.site.model import VMState
from deploy.lab.site.recovery import end_tasks, recover, start_machines
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
    hosts = [host for host in site.hosts if host.powered]  # one that crashed waits for its own boot
    for host in hosts:
        for vm in site.vms_on(host):
            await recover(site, vm, power_was_lost=power_was_lost)
    site.store.mark_running()
    for vm in await cluster_failover.settle(site):
        await recover(site, vm, power_was_lost=True)
    note_boot(site, hosts)
    site.record(site.vmm.server.fqdn, ("site.booted", site.name), None)
    for host in hosts:
        await site.listeners.refresh(site, host)
    for host in hosts:
        await start_machines(site, host)
    log.info("site.booted", site=site.name, power_was_lost=power_was_lost)


async def shut_down(site: Site) -> None:
    """Shut the hosts down in order.

    Guests are shut down whatever their AutomaticStopAction says; one that is paused cannot shut
    down and is turned off. ``was_running`` stays, so that they start with the host.
    """
    for vm in [vm for host in site.hosts if host.powered for vm in site.vms_on(host)]:
        if vm.state in (VMState.RUNNING, VMState.PAUSED):
            await guest_control.end_guest(site, vm, turn_off=vm.state is VMState.PAUSED)
            vm.state = VMState.OFF
            vm.started = None
            site.save_vm(vm)
    await site.listeners.close()
    await end_tasks(site, site.virtual_machines)
    site.record(site.vmm.server.fqdn, ("site.shut_down", site.name), None)
    site.store.mark_shut_down()


async def lose_power(site: Site) -> None:
    """What kill -9 does to the daemon, for a site within this process: nothing is saved."""
    await end_tasks(site, site.virtual_machines)
    await site.listeners.close()
    record_loss_of_power(site.environment.state_dir, site.name, site.clock.now())


def record_loss_of_power(state_dir: Path, name: str, at: datetime) -> None:
    """Has the journal say that a site's power was cut; the site itself can no longer.

    Args:
        state_dir: The lab's folder of sites.
        name: The site.
        at: A moment when nothing ran any more.
    """
    journal = EffectsJournal(state_dir / name / "effects.jsonl", name)
    journal.record(at, "", (SITE_LOST_POWER, name), None, {})
