"""The Hyper-V Replica Brokers of host clusters, of which VMM knows nothing."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError, PSRecord

log = structlog.get_logger(__name__)

BROKER_GROUP: Final = "VMReplicaBroker"
NETWORK_NAME: Final = "Network Name"


@dataclass(frozen=True)
class Brokers:
    """What clusters said.

    Attributes:
        read: By the cluster's FQDN that of its broker; empty when it has none.
        unread: By the cluster's FQDN why it could not be asked.
    """

    read: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


async def read_brokers(
    powershell: PowerShell, clusters: Collection[str], *, time_limit_seconds: float
) -> Brokers:
    """Asks clusters for their brokers.

    Args:
        powershell: Where to run; the VMM server has the module FailoverClusters.
        clusters: FQDNs.
        time_limit_seconds: For each of the at most three pipelines of a cluster.

    Returns:
        What each said; one that cannot be asked is told apart from one without a broker.
    """
    answers = await asyncio.gather(
        *(_ask(powershell, cluster, time_limit_seconds) for cluster in clusters)
    )
    read: dict[str, str] = {}
    unread: dict[str, str] = {}
    for cluster, (broker, problem) in zip(clusters, answers, strict=True):
        if problem:
            unread[cluster] = problem
        else:
            read[cluster] = broker
    return Brokers(read, unread)


async def _ask(powershell: PowerShell, cluster: str, seconds: float) -> tuple[str, str]:
    try:
        return await _read(powershell, cluster, seconds), ""
    except (PowerShellError, PropertyError) as error:
        log.warning("cluster.not_read", cluster=cluster, error=str(error))
        return "", str(error) or type(error).__name__


async def _read(powershell: PowerShell, cluster: str, seconds: float) -> str:
    """Source: Get-ClusterGroup, Get-ClusterResource, Get-ClusterParameter.

    The name that others connect to is the DnsName of the group's network name; the group itself may
    be called anything.
    """

    async def run(*pipeline: Cmdlet) -> list[PSRecord]:
        return await powershell.run(*pipeline, time_limit_seconds=seconds)

    groups = await run(cmdlet("Get-ClusterGroup", Cluster=cluster), select("Name", "GroupType"))
    names = {
        group.text("Name").casefold()
        for group in groups
        if group.optional_enum_name("GroupType") == BROKER_GROUP
    }
    if not names:
        return ""
    resources = await run(
        cmdlet("Get-ClusterResource", Cluster=cluster),
        select("Name", "ResourceType", "OwnerGroup"),
    )
    for resource in resources:
        owner = (resource.optional_text("OwnerGroup") or "").casefold()
        if owner in names and resource.optional_text("ResourceType") == NETWORK_NAME:
            found = await run(
                cmdlet("Get-ClusterResource", Cluster=cluster, Name=(resource.text("Name"),)),
                cmdlet("Get-ClusterParameter", Name=("DnsName",)),
                select("Value"),
            )
            return _fqdn(found[0].text("Value"), cluster) if found else ""
    return ""


def _fqdn(name: str, cluster: str) -> str:
    return name if "." in name else f"{name}.{cluster.partition('.')[2]}"
