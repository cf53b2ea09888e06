"""What the prerequisite rules look at, read from the tables."""

from __future__ import annotations

from collections.abc import Collection

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, FabricObject, VirtualMachine
from coordinator.failures import Failure
from coordinator.protection.inventory import broker_problems, brokers_of_clusters
from coordinator.protection.models import Pairing
from coordinator.protection.pairing.coverage import windows_of
from coordinator.protection.pairing.prerequisites import (
    HYPER_V,
    CloudFacts,
    HostFacts,
    cloud_failures,
    pair_failures,
)
from coordinator.protection.policies.rules import InstanceType


def prerequisite_failures(
    cloud: Cloud, target: Cloud | None = None, instance_type: InstanceType | None = None
) -> tuple[Failure, ...]:
    """What keeps a cloud, or two clouds, from being paired; empty when nothing does.

    Args:
        cloud: The cloud to protect.
        target: The cloud to recover in; None: only the first is looked at.
        instance_type: The policy's host version; None: whatever the hosts run.

    Source: SPEC PR-1, PR-2, PO-2.
    """
    source = facts_of_cloud(cloud, source=True)
    if target is None:
        return cloud_failures(source)
    return pair_failures(
        source,
        facts_of_cloud(target, source=False),
        instance_type,
        _paired_generations(cloud, target, instance_type),
    )


def _paired_generations(
    cloud: Cloud, target: Cloud, but: InstanceType | None
) -> Collection[InstanceType]:
    rows = Pairing.objects.filter(primary_cloud=cloud, recovery_cloud=target)
    found = {InstanceType(each) for each in rows.values_list("instance_type", flat=True)}
    return found - {but}


def _management_machines(cloud: Cloud) -> tuple[str, ...]:
    """Names of machines in the cloud that VMM itself runs in."""
    machines = VirtualMachine.objects.filter(
        fabric_id=cloud.fabric_id,
        cloud_external_id=cloud.external_id,
        gone_at=None,
        details__runs_vmm=True,
    )
    return tuple(machines.order_by("name").values_list("name", flat=True))


def facts_of_cloud(cloud: Cloud, *, source: bool) -> CloudFacts:
    """A cloud with its hosts and its server."""
    hosts = fabrics.hosts_of_cloud(cloud)
    windows = {each.fqdn: each for each in windows_of(hosts)}
    brokers = brokers_of_clusters({cloud.fabric_id})
    problems = broker_problems({cloud.fabric_id})
    inside = VirtualMachine.objects.filter(fabric_id=cloud.fabric_id, gone_at=None)
    machines = inside.filter(cloud_external_id=cloud.external_id) | inside.filter(
        host_fqdn__in=[host.name for host in hosts]
    )
    return CloudFacts(
        name=cloud.name,
        server=cloud.fabric.friendly_name,
        vmm_version=cloud.fabric.vmm_product_version,
        clouds_of_server=len(fabrics.list_clouds(cloud.vault_id, cloud.fabric_id)),
        servers=len(fabrics.list_fabrics(cloud.vault_id)),
        profiles=_hyper_v_profiles(cloud),
        host_groups=tuple(cloud.details.get("host_group_paths", ())),
        hosts=tuple(
            HostFacts(
                fqdn=host.name,
                operating_system_version=windows[host.name].version,
                configured_for=windows[host.name].configured_for,
                cluster=host.cluster_fqdn,
                broker=brokers.get((host.fabric_id, host.cluster_fqdn.lower()), ""),
                broker_problem=problems.get((host.fabric_id, host.cluster_fqdn.lower()), ""),
            )
            for host in hosts
        ),
        machines=machines.count() if source else 0,
        management_machines=_management_machines(cloud) if source else (),
        source=source,
    )


def _hyper_v_profiles(cloud: Cloud) -> tuple[str, ...]:
    """The cloud's profiles that are Hyper-V's: by what VMM says of them, else by their name."""
    own = [str(name) for name in cloud.details.get("capability_profiles", ())]
    kinds = {
        known.name.lower(): str(known.details.get("fabric", ""))
        for known in FabricObject.objects.filter(
            fabric_id=cloud.fabric_id, kind="capability_profile", gone_at=None
        )
    }
    return tuple(
        name
        for name in own
        if kinds.get(name.lower()) == "HyperV"
        or (not kinds.get(name.lower()) and name.lower() == HYPER_V)
    )
