"""Hosts that crash, and boot again, while their site goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deploy.lab.site import cluster_failover
from deploy.lab.site.errors import invalid_state
from deploy.lab.site.recovery import recover, start_machines

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host


async def crash(site: SiteCore, host: Host) -> None:
    """The host loses power with everything on it, and stays off until it is booted.

    Change logs that were open are not to be trusted afterwards. Highly available VMs start again
    on another node of the cluster.
    """
    if not host.powered:
        raise invalid_state(f"'{host.fqdn}' has no power already.")
    host.powered = False
    site.save_host(host)
    await cluster_failover.stop_everything(site, host)
    site.record(host.fqdn, ("host.crashed", host.fqdn), None)
    moved = await cluster_failover.settle(site)
    for each in site.hosts:
        if each.powered and each.cluster_fqdn and each.cluster_fqdn == host.cluster_fqdn:
            await site.listeners.refresh(site, each)
    for vm in moved:
        await recover(site, vm, power_was_lost=True)
    for fqdn in dict.fromkeys(vm.host_fqdn for vm in moved):
        await start_machines(site, site.host(fqdn))


def note_boot(site: SiteCore, hosts: Iterable[Host]) -> None:
    """Their operating systems start now."""
    for host in hosts:
        host.booted = site.now_at(host.fqdn)
        site.save_host(host)


async def boot(site: SiteCore, host: Host) -> None:
    """Give a host its power back: what it left is mended, its VMs start as they are set to."""
    if host.powered:
        raise invalid_state(f"'{host.fqdn}' has power.")
    for vm in site.vms_on(host):
        await recover(site, vm, power_was_lost=True)
    host.powered = True
    note_boot(site, [host])
    site.record(host.fqdn, ("host.booted", host.fqdn), None)
    for each in await _refreshed(site):
        await site.listeners.refresh(site, each)
    await start_machines(site, host)


async def _refreshed(site: SiteCore) -> list[Host]:
    """Settle clusters anew (a whole cluster may have been down); all hosts that listen."""
    await cluster_failover.settle(site)
    return [each for each in site.hosts if each.powered]
