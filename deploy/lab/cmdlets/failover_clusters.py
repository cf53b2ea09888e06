"""Get-ClusterGroup, Get-ClusterResource, Get-ClusterParameter: what a cluster consists of."""

from collections.abc import Iterator

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import EnumValue, Invocation, PSObject, Value
from deploy.lab.site.model import HostCluster
from deploy.lab.site.site import Site

_NAMESPACE = "Microsoft.FailoverClusters.PowerShell."
_STATES = {"Online": 0, "Offline": 1}
# GroupType's numbers are public for these two.
_GROUP_TYPES = {"Cluster": 1, "VMReplicaBroker": 115}


def _cluster(site: Site, call: Invocation) -> HostCluster:
    """The cluster of -Cluster; without it the machine that PowerShell runs on, which is none.

    Raises:
        HyperVError: There is none of that name, or no node of it answers.
    """
    name = (arguments.text(call, "Cluster") or "").lower()
    for cluster in site.vmm.host_clusters:
        known = cluster.fqdn.lower()
        if name in (known, known.partition(".")[0]) and _owner(site, cluster):
            return cluster
    raise refusal("cluster_unreachable", name or site.vmm.server.fqdn)


def _owner(site: Site, cluster: HostCluster) -> str:
    """Short name of the node that owns the cluster's groups; empty when all are down."""
    up = [host.fqdn for host in site.hosts if host.fqdn in cluster.nodes and host.powered]
    owner = cluster.broker_node if cluster.broker_node in up else next(iter(up), "")
    return owner.partition(".")[0]


def _object(kind: str, name: str, properties: dict[str, Value]) -> PSObject:
    types = (_NAMESPACE + kind, "System.Object")
    return PSObject(types, name, {"Name": name, **properties})


def _state(kind: str, name: str) -> EnumValue:
    return EnumValue(_NAMESPACE + kind, name, _STATES[name])


def _broker(cluster: HostCluster) -> str:
    return (cluster.broker_fqdn or "").partition(".")[0]


def _groups(site: Site, cluster: HostCluster) -> Iterator[PSObject]:
    kinds = {"Cluster Group": "Cluster"}
    if cluster.broker_fqdn:
        kinds[_broker(cluster)] = "VMReplicaBroker"
    for name, kind in kinds.items():
        yield _object(
            "ClusterGroup",
            name,
            {
                "Cluster": cluster.fqdn.partition(".")[0],
                "OwnerNode": _owner(site, cluster),
                "State": _state("ClusterGroupState", "Online"),
                "GroupType": EnumValue(_NAMESPACE + "GroupType", kind, _GROUP_TYPES[kind]),
                "IsCoreGroup": kind == "Cluster",
            },
        )


def _resources(site: Site, cluster: HostCluster) -> Iterator[PSObject]:
    """The core network name, and the broker's three resources."""
    found = [("Cluster Name", "Network Name", "Cluster Group")]
    broker = _broker(cluster)
    if broker:
        found += [
            (broker, "Network Name", broker),
            (f"IP Address {cluster.broker_address}", "IP Address", broker),
            (
                f"Virtual Machine Replication Broker {broker}",
                "Virtual Machine Replication Broker",
                broker,
            ),
        ]
    for name, kind, group in found:
        yield _object(
            "ClusterResource",
            name,
            {
                "Cluster": cluster.fqdn.partition(".")[0],
                "ResourceType": kind,
                "OwnerGroup": group,
                "OwnerNode": _owner(site, cluster),
                "State": _state("ClusterResourceState", "Online"),
            },
        )


def _write_named(call: Invocation, written: Written, found: list[PSObject]) -> None:
    names = [name.lower() for name in arguments.texts(call, "Name")]
    known = {arguments.property_text(each, "Name").lower() for each in found}
    for name in names:
        if name not in known:
            written.error(refusal("cluster_object_not_found", name))
    for each in found:
        if not names or arguments.property_text(each, "Name").lower() in names:
            written.output(each)


async def get_cluster_group(site: Site, call: Invocation, written: Written) -> None:
    _write_named(call, written, list(_groups(site, _cluster(site, call))))


async def get_cluster_resource(site: Site, call: Invocation, written: Written) -> None:
    """All of a cluster's, or those of the groups that come through the pipeline."""
    groups = arguments.objects(call, "InputObject")
    if not groups:
        _write_named(call, written, list(_resources(site, _cluster(site, call))))
    for group in groups:
        cluster = _cluster_of(site, group)
        name = arguments.property_text(group, "Name")
        owned = [
            each
            for each in _resources(site, cluster)
            if arguments.property_text(each, "OwnerGroup") == name
        ]
        _write_named(call, written, owned)


async def get_cluster_parameter(site: Site, call: Invocation, written: Written) -> None:
    """Private properties; the lab has those of network names."""
    wanted = [name.lower() for name in arguments.texts(call, "Name")]
    for resource in arguments.objects(call, "InputObject"):
        name = arguments.property_text(resource, "Name")
        network_name = arguments.property_text(resource, "ResourceType") == "Network Name"
        cluster = _cluster_of(site, resource)
        shown = cluster.fqdn.partition(".")[0] if name == "Cluster Name" else name
        values = {"Name": shown.upper(), "DnsName": shown} if network_name else {}
        for missing in set(wanted) - {each.lower() for each in values}:
            written.error(refusal("cluster_object_not_found", missing))
        for each, value in values.items():
            if not wanted or each.lower() in wanted:
                properties: dict[str, Value] = {
                    "ClusterObject": name,
                    "Value": value,
                    "ParameterType": "String",
                }
                written.output(_object("ClusterParameter", each, properties))


def _cluster_of(site: Site, item: PSObject) -> HostCluster:
    wanted = arguments.property_text(item, "Cluster").lower()
    for cluster in site.vmm.host_clusters:
        if cluster.fqdn.lower().partition(".")[0] == wanted:
            return cluster
    raise refusal("cluster_unreachable", wanted)
