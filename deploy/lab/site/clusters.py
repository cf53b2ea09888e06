"""Failover clusters of hosts: names, nodes, the Hyper-V Replica Broker, settings for all nodes."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from deploy.lab.site.errors import HyperVError, operation_failed

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, HostCluster


def cluster_of(site: SiteCore, host: Host) -> HostCluster | None:
    """None for a host that stands alone."""
    for cluster in site.vmm.host_clusters:
        if cluster.fqdn == host.cluster_fqdn:
            return cluster
    return None


def nodes_of(site: SiteCore, host: Host) -> tuple[Host, ...]:
    """All nodes of the host's cluster, also those without power; the host alone without one."""
    if host.cluster_fqdn is None:
        return (host,)
    return tuple(each for each in site.hosts if each.cluster_fqdn == host.cluster_fqdn)


def replication_name(site: SiteCore, host: Host) -> str:
    """The name the host goes by in replication: its cluster's broker's, else its own."""
    cluster = cluster_of(site, host)
    return cluster.broker_fqdn if cluster and cluster.broker_fqdn else host.fqdn


def certificate_names(site: SiteCore, host: Host) -> tuple[str, ...]:
    """What a certificate must name so that the host can replicate with it."""
    return tuple(dict.fromkeys((host.fqdn, replication_name(site, host))))


def node_answering_for(site: SiteCore, name: str) -> Host | None:
    """The node that owns a broker's or a cluster's name; None when no such name, or nobody is up.

    The cluster's own name is taken to be with the broker's owner, else with the first node up.
    """
    wanted = name.lower()
    for cluster in site.vmm.host_clusters:
        broker = (cluster.broker_fqdn or "").lower()
        if wanted not in (broker, cluster.fqdn, cluster.fqdn.partition(".")[0]) or not wanted:
            continue
        nodes = [each for each in site.hosts if each.cluster_fqdn == cluster.fqdn and each.powered]
        owners = [each for each in nodes if each.fqdn == cluster.broker_node]
        return next(iter(owners + nodes), None)
    return None


def owns_broker(site: SiteCore, host: Host) -> bool:
    cluster = cluster_of(site, host)
    return bool(cluster and cluster.broker_fqdn and cluster.broker_node == host.fqdn)


def require_broker(site: SiteCore, host: Host) -> None:
    """Refuse what a cluster's node cannot do without a Hyper-V Replica Broker.

    Raises:
        HyperVError: The host is a node of a cluster that has none. The text is not publicly known.
    """
    cluster = cluster_of(site, host)
    if cluster is not None and not cluster.broker_fqdn:
        raise no_broker(cluster)


def no_broker(cluster: HostCluster) -> HyperVError:
    return operation_failed(
        f"The Hyper-V Replica Broker is not configured on the failover cluster '{cluster.fqdn}'. "
        "Configure the Hyper-V Replica Broker role with Failover Cluster Manager."
    )


def spread_settings(site: SiteCore, host: Host) -> None:
    """Bring the replication server settings of a node to its cluster and to all other nodes."""
    cluster = cluster_of(site, host)
    if cluster is None:
        return
    cluster.replication_server = deepcopy(host.replication_server)
    site.save_vmm()
    for node in nodes_of(site, host):
        if node is not host:
            take_settings(site, node, cluster)


def take_settings(site: SiteCore, node: Host, cluster: HostCluster) -> None:
    """A node has the cluster's settings; only how its own listeners are doing stays its own."""
    before = node.replication_server
    node.replication_server = deepcopy(cluster.replication_server)
    node.replication_server.operational_status = before.operational_status
    node.replication_server.status_descriptions = before.status_descriptions
    site.save_host(node)
