"""What people do to hosts in VMM: add one to a cloud, move one to another, take one away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deploy.lab.site.clusters import cluster_of, take_settings
from deploy.lab.site.errors import invalid_parameter, invalid_state, not_found
from deploy.lab.site.generations import FACTS, Generation
from deploy.lab.site.machine_operations import cloud_named
from deploy.lab.site.model import Host, HostCluster, VirtualSwitch, Volume
from deploy.lab.site.replication_servers import built_in_rules

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore


async def add_host(
    site: SiteCore, fqdn: str, cloud: str, windows_server: str | None = None
) -> Host:
    """A new host in a cloud, like the cloud's first one: networks, volumes, shares, Windows.

    When that one is a node of a cluster the new host joins it, and has the cluster's settings.
    """
    name = fqdn.lower()
    if any(host.fqdn == name for host in site.hosts) or "." not in name:
        raise invalid_parameter(f"'{fqdn}' is known already, or is not a fully qualified name.")
    groups = cloud_named(site, cloud).host_group_paths
    model = next((host for host in site.hosts if host.host_group_path in groups), None)
    if model is None:
        raise invalid_state(f"The cloud '{cloud}' has no host to be like.")
    generation = Generation(windows_server) if windows_server else model.generation
    host = Host(
        fqdn=name,
        vmm_id=site.environment.new_id(),
        site=site.name,
        address=site.names.register(name, site.name),
        host_group_path=model.host_group_path,
        cluster_fqdn=model.cluster_fqdn,
        generation=generation,
        operating_system=FACTS[generation].operating_system,
        os_version=FACTS[generation].os_version,
        logical_processors=model.logical_processors,
        total_memory_bytes=model.total_memory_bytes,
        default_virtual_hard_disk_path=model.default_virtual_hard_disk_path,
        default_virtual_machine_path=model.default_virtual_machine_path,
        switches=[_like(site, each) for each in model.switches],
        firewall_rules=built_in_rules(),
    )
    site.add_host(host)
    _give_storage(site, host, model)
    cluster = cluster_of(site, host)
    if cluster is not None:
        cluster.nodes.append(host.fqdn)
        take_settings(site, host, cluster)
    site.save_vmm()
    await site.listeners.refresh(site, host)
    site.record(host.fqdn, ("host.added", host.fqdn), None, {"cloud": cloud})
    return host


def _like(site: SiteCore, switch: VirtualSwitch) -> VirtualSwitch:
    return replace(switch, id=site.environment.new_id())


def _give_storage(site: SiteCore, host: Host, model: Host) -> None:
    like: list[Volume] = [each for each in site.vmm.volumes if each.host_fqdn == model.fqdn]
    site.vmm.volumes += [
        replace(each, id=site.environment.new_id(), host_fqdn=host.fqdn) for each in like
    ]
    for share in site.vmm.file_shares:
        if model.fqdn in share.hosts:
            share.hosts.append(host.fqdn)


async def move_host(site: SiteCore, host: Host, cloud: str) -> None:
    """Into the host group of another cloud; its machines leave the cloud they were in."""
    if host.cluster_fqdn is not None:
        raise invalid_state(f"'{host.fqdn}' is a node of '{host.cluster_fqdn}' and stays with it.")
    [path, *_] = cloud_named(site, cloud).host_group_paths
    host.host_group_path = path
    site.save_host(host)
    for vm in site.vms_on(host):
        vm.cloud_id = None
        site.save_vm(vm)
    site.record(host.fqdn, ("host.moved", host.fqdn), None, {"cloud": cloud})


async def remove_host(site: SiteCore, host: Host) -> None:
    """Take a host without machines out of VMM and of its cluster; in the lab it is gone then."""
    if site.vms_on(host):
        raise invalid_state(f"'{host.fqdn}' has virtual machines.")
    cluster = cluster_of(site, host)
    if cluster is not None:
        _leave(cluster, host)
    host.replication_server.enabled = False
    await site.listeners.refresh(site, host)
    site.vmm.volumes = [each for each in site.vmm.volumes if each.host_fqdn != host.fqdn]
    for share in site.vmm.file_shares:
        share.hosts = [each for each in share.hosts if each != host.fqdn]
    site.save_vmm()
    site.forget_host(host)
    site.record(host.fqdn, ("host.removed", host.fqdn), None)


def _leave(cluster: HostCluster, host: Host) -> None:
    if cluster.broker_node == host.fqdn or len(cluster.nodes) == 1:
        raise invalid_state(f"'{host.fqdn}' is the last node, or owns the broker.")
    cluster.nodes.remove(host.fqdn)


def any_host(site: SiteCore, fqdn: str) -> Host:
    """A host by its name, also one without power."""
    for host in site.hosts:
        if fqdn.lower() in (host.fqdn, host.fqdn.partition(".")[0]):
            return host
    raise not_found(f"There is no host '{fqdn}' at {site.name}.", fqdn)


def set_clock_skew(site: SiteCore, host: Host, seconds: float) -> None:
    """How far the host's clock is ahead (negative: behind). It stays so until it is set again."""
    host.clock_skew_seconds = seconds
    site.save_host(host)
    site.record(host.fqdn, ("host.clock_changed", host.fqdn), None, {"seconds": seconds})
