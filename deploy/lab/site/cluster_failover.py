"""What a failover cluster does when a node goes: its roles and VMs go to other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from deploy.lab.site.guest_control import end_guest
from deploy.lab.site.recovery import end_tasks

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

log = structlog.get_logger(__name__)


async def settle(site: SiteCore) -> list[VirtualMachine]:
    """Give brokers and highly available VMs of nodes without power to nodes that have it.

    Quorum is not simulated: one node is enough to go on.

    Returns:
        The VMs that moved; they are as their old node left them.
    """
    moved = []
    for cluster in site.vmm.host_clusters:
        nodes = [each for each in site.hosts if each.cluster_fqdn == cluster.fqdn]
        alive = [each for each in nodes if each.powered]
        if not alive:
            continue
        if cluster.broker_fqdn and cluster.broker_node not in [each.fqdn for each in alive]:
            cluster.broker_node = alive[0].fqdn
            site.save_vmm()
            site.record(alive[0].fqdn, ("broker.moved", cluster.broker_fqdn), None)
        for node in nodes:
            if not node.powered:
                moved += await _rescue(site, node, alive)
    return moved


async def _rescue(site: SiteCore, node: Host, alive: list[Host]) -> list[VirtualMachine]:
    moved = []
    for vm in site.vms_on(node):
        if vm.highly_available:
            target = min(alive, key=lambda each: len(site.vms_on(each)))
            async with site.runtime(vm).lock, site.runtime(vm).gate:
                site.move_vm(vm, target)
            site.record(
                target.fqdn, ("vm.failed_over_to_node", vm.vm_id), None, {"from": node.fqdn}
            )
            moved.append(vm)
    return moved


async def stop_everything(site: SiteCore, host: Host) -> None:
    """A host is gone: guests end in the middle of what they do, connections break."""
    await site.listeners.sever(host)
    machines = site.vms_on(host)
    await end_tasks(site, machines)
    for vm in machines:
        await end_guest(site, vm, turn_off=True)
