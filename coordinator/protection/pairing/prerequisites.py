"""What servers, clouds and hosts must be like for clouds to be paired: pure (SPEC PR-1, PR-2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from coordinator.failures import Failure
from coordinator.protection.pairing.generations import (
    HostWindows,
    covered,
    nothing_fits_errors,
)
from coordinator.protection.policies.rules import InstanceType

# VMM 2012 SP1; 2012 itself is 3.0, and 2019 and later begin with 10.
OLDEST_VMM = (3, 1)
OLDEST_HYPER_V = (6, 2)
WINDOWS_2012 = (6, 2)
WINDOWS_2012_R2 = (6, 3)
CLUSTER_UPDATE = "KB2961977"
HYPER_V = "hyper-v"


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """A host of a cloud.

    Attributes:
        operating_system_version: For example "10.0.17763.0"; empty when VMM does not tell it.
        cluster: FQDN of its cluster; empty for a standalone host.
        broker: FQDN of the cluster's replica broker; empty when it has none.
        broker_problem: Why the provider could not ask the cluster; empty when it could.
        configured_for: Generations whose pairings have configured it, where the version is not
            told.
    """

    fqdn: str
    operating_system_version: str = ""
    cluster: str = ""
    broker: str = ""
    broker_problem: str = ""
    configured_for: frozenset[InstanceType] = frozenset()

    @property
    def windows(self) -> HostWindows:
        return HostWindows(
            fqdn=self.fqdn,
            version=self.operating_system_version,
            cluster=self.cluster,
            configured_for=self.configured_for,
        )


@dataclass(frozen=True, kw_only=True)
class CloudFacts:
    """A cloud with its server.

    Attributes:
        vmm_version: For example "10.19.2591.0".
        clouds_of_server: How many clouds the server has.
        servers: How many servers the vault has.
        profiles: Names of the cloud's capability profiles that are Hyper-V's.
        host_groups: Paths.
        machines: How many machines are in the cloud or on its hosts.
        source: The cloud is to be protected, rather than to be recovered in.
        management_machines: Names of machines in the cloud that VMM itself runs in.
    """

    name: str
    server: str
    vmm_version: str
    clouds_of_server: int
    servers: int
    profiles: tuple[str, ...]
    host_groups: tuple[str, ...]
    hosts: tuple[HostFacts, ...]
    machines: int
    source: bool = True
    management_machines: tuple[str, ...] = ()


def cloud_failures(cloud: CloudFacts) -> tuple[Failure, ...]:
    """Every reason why a cloud cannot be in a pair; empty when it can. Source: SPEC PR-1, PR-2."""
    return (*_second_cloud_failures(cloud), *_own_failures(cloud))


def pair_failures(
    source: CloudFacts,
    target: CloudFacts,
    instance_type: InstanceType | None = None,
    others: Collection[InstanceType] = (),
) -> tuple[Failure, ...]:
    """Every reason why two clouds cannot be paired under a policy of that host version, or at all.

    Hosts of other generations, beside fitting ones, keep nothing from being paired: they are
    another policy's.

    Args:
        source: The cloud to protect.
        target: The cloud to recover in.
        instance_type: The policy's host version; None: whatever the hosts run.
        others: Host versions that these clouds are paired for already.

    Source: SPEC PR-1, PR-2, PO-2.
    """
    found = [
        *_own_failures(source, instance_type, others),
        *_own_failures(target, instance_type, others),
    ]
    shared = {host.fqdn for host in source.hosts} & {host.fqdn for host in target.hosts}
    if shared:
        found.append(shared_hosts_failure(shared))
    if instance_type is not None:
        for cloud in (source, target):
            windows = [host.windows for host in cloud.hosts]
            found += nothing_fits_errors(instance_type, cloud.name, windows, others)
    return tuple(dict.fromkeys(found))


def shared_hosts_failure(names: Iterable[str]) -> Failure:
    """Hosts are in both clouds of a pair."""
    return Failure(
        "CloudsShareHost",
        f"Hosts belong to both clouds: {', '.join(sorted(names))}.",
        ("A host cannot hold a machine and its replica.",),
        "Choose clouds whose host groups have no host in common.",
    )


def wanted_updates(*, clustered: bool, versions: Sequence[str]) -> tuple[str, ...]:
    """Updates that hosts should have before they replicate. Source: SPEC PR-2."""
    needs = clustered and any(_numbers(version)[:2] == WINDOWS_2012_R2 for version in versions)
    return (CLUSTER_UPDATE,) if needs else ()


def missing_updates_failure(missing: Sequence[str]) -> Failure | None:
    """What to tell of updates that Windows does not list; None when none is missing.

    Args:
        missing: As "KB2961977 on hv1.contoso.com".
    """
    if not missing:
        return None
    return Failure(
        "ClusterUpdateMissing",
        f"Not found installed: {', '.join(missing)}.",
        (
            "Clusters of Windows Server 2012 R2 need the update for replication.",
            "A later roll-up contains it: Windows then lists the roll-up only.",
        ),
        "Install the update, or make sure that a later roll-up with it is installed.",
    )


def broker_failure(cluster: str, version: str = "", problem: str = "") -> Failure:
    """A cluster has no replica broker, or could not be asked for it: what to do."""
    if problem:
        return Failure(
            "ClusterNotReadable",
            f"The cluster {cluster} could not be asked for its Hyper-V Replica Broker: {problem}",
            (
                "The cluster does not answer.",
                "The VMM server lacks the Failover Clustering tools (module FailoverClusters).",
                "The provider's account has no rights on the cluster.",
            ),
            "Run Get-ClusterGroup for the cluster on the VMM server as the provider's account, mend"
            " what it says, then refresh the server and try again.",
        )
    old = _numbers(version)[:2] == WINDOWS_2012 if version else False
    return Failure(
        "ReplicaBrokerMissing",
        f"The cluster {cluster} has no Hyper-V Replica Broker.",
        (
            "A cluster sends and receives replication through its broker only.",
            "With a static cluster address on Windows Server 2012 no product makes it by itself."
            if old
            else "The broker needs a name and, without DHCP, an address: a choice of yours.",
        ),
        f"In Failover Cluster Manager choose Configure Role on {cluster} and there Hyper-V Replica "
        "Broker, with a name of at most 15 characters and an address; then refresh the server and "
        "try again.",
    )


def _own_failures(
    cloud: CloudFacts,
    instance_type: InstanceType | None = None,
    others: Collection[InstanceType] = (),
) -> tuple[Failure, ...]:
    return (
        *_server_failures(cloud),
        *_content_failures(cloud),
        *_host_failures(cloud, instance_type, others),
        *_management_failures(cloud),
    )


def _management_failures(cloud: CloudFacts) -> Iterator[Failure]:
    """Source: SPEC SS-2."""
    for name in cloud.management_machines:
        yield Failure(
            "CloudHasManagementMachine",
            f"VMM itself runs in {name}, which is in the cloud {cloud.name}.",
            ("A failover of that machine would stop the server that carries the failover out.",),
            f"Take {name} out of the cloud, and replicate it with Hyper-V Replica by hand.",
        )


def _server_failures(cloud: CloudFacts) -> Iterator[Failure]:
    if cloud.vmm_version and _numbers(cloud.vmm_version)[:2] < OLDEST_VMM:
        yield Failure(
            "VmmVersionNotSupported",
            f"{cloud.server} runs Virtual Machine Manager {cloud.vmm_version}.",
            ("System Center 2012 SP1 (3.1) is the oldest version that can be used.",),
            "Upgrade Virtual Machine Manager.",
        )


def _second_cloud_failures(cloud: CloudFacts) -> Iterator[Failure]:
    if cloud.servers == 1 and cloud.clouds_of_server < 2:
        yield Failure(
            "SecondCloudMissing",
            f"{cloud.server} is the only server and has one cloud.",
            ("A pair needs two clouds: on two servers, or both on one.",),
            "Make a second cloud in VMM, or register a second server.",
        )


def _content_failures(cloud: CloudFacts) -> Iterator[Failure]:
    if not cloud.profiles:
        yield Failure(
            "CapabilityProfileMissing",
            f"The cloud {cloud.name} has no capability profile of Hyper-V.",
            ("Only machines of Hyper-V can be replicated.",),
            "Choose the capability profile Hyper-V in the cloud's properties in VMM, then refresh.",
        )
    if not cloud.host_groups:
        yield Failure(
            "CloudHasNoHostGroup",
            f"The cloud {cloud.name} has no host group.",
            ("The cloud was made from other resources than host groups.",),
            "Add a host group with Hyper-V hosts to the cloud and refresh the server.",
        )
    if not cloud.hosts:
        yield Failure(
            "CloudHasNoHosts",
            f"The cloud {cloud.name} has no Hyper-V host.",
            ("Its host groups are empty, or the server's inventory is not complete yet.",),
            "Add a host group with Hyper-V hosts to the cloud and refresh the server.",
        )
    if cloud.source and cloud.hosts and not cloud.machines:
        yield Failure(
            "CloudHasNoMachines",
            f"The cloud {cloud.name} and its hosts have no virtual machine.",
            ("There is nothing to protect in it yet.",),
            "Assign machines to the cloud in VMM and refresh the server.",
        )


def _host_failures(
    cloud: CloudFacts, instance_type: InstanceType | None, others: Collection[InstanceType]
) -> Iterator[Failure]:
    told = set()
    names = {host.fqdn for host in cloud.hosts}
    if instance_type is not None:
        # Clusters of hosts that the pairing does not cover need no broker for it.
        names = set(covered(instance_type, [host.windows for host in cloud.hosts], others))
    for host in cloud.hosts:
        version = host.operating_system_version
        if version and _numbers(version)[:2] < OLDEST_HYPER_V:
            yield Failure(
                "HostVersionNotSupported",
                f"{host.fqdn} runs Windows {version}.",
                ("Hyper-V Replica begins with Windows Server 2012 (6.2).",),
                "Upgrade the host, or take it out of the cloud.",
            )
        if host.fqdn not in names or not host.cluster or host.broker:
            continue
        if host.cluster not in told:
            told.add(host.cluster)
            yield broker_failure(host.cluster, version, host.broker_problem)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
