"""Generations of Windows in a pair of clouds: which hosts a pairing covers (SPEC PO-2): pure.

A policy names a generation, and a pairing covers the hosts of both clouds that run it. Clouds whose
hosts run several have a pairing for each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from coordinator.failures import Failure
from coordinator.protection.policies.rules import InstanceType

# Newest last.
AGES = (InstanceType.WINDOWS_2012, InstanceType.WINDOWS_2012_R2)


@dataclass(frozen=True, kw_only=True)
class HostWindows:
    """A host of a cloud, as far as its generation matters.

    Attributes:
        version: For example "10.0.17763.0"; empty when VMM does not tell it.
        cluster: FQDN of its cluster; empty for a standalone host.
        configured_for: Generations whose pairings of these clouds have configured it; needed only
            where the version is not told.
    """

    fqdn: str
    version: str = ""
    cluster: str = ""
    configured_for: frozenset[InstanceType] = frozenset()


def generation_of(version: str) -> InstanceType | None:
    """The generation that a Windows version belongs to; None when no policy can name it."""
    numbers = version_numbers(version)[:2]
    if numbers == (6, 2):
        return InstanceType.WINDOWS_2012
    return InstanceType.WINDOWS_2012_R2 if numbers >= (6, 3) else None


def version_numbers(version: str) -> tuple[int, ...]:
    """Major, minor and build of a Windows version, to compare; empty when it is not told."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:3] if part)


def covered(
    instance_type: InstanceType,
    hosts: Iterable[HostWindows],
    others: Collection[InstanceType] = (),
) -> frozenset[str]:
    """FQDNs of the hosts that a pairing covers: those of its policy's generation.

    A host whose version VMM does not tell is taken to run what its cluster's other nodes run, or
    what it was configured for; else it is covered by the pairing of the newest generation, and
    Hyper-V itself will refuse it if that is wrong. So each host is covered by one pairing at most.

    Args:
        instance_type: The generation that the pairing's policy names.
        hosts: All hosts of a cloud.
        others: Generations of the other pairings of the same clouds.
    """
    known = list(hosts)
    of_clusters = {
        host.cluster.lower(): host.version for host in known if host.cluster and host.version
    }
    return frozenset(
        host.fqdn
        for host in known
        if _generation(host, of_clusters.get(host.cluster.lower(), ""), {instance_type, *others})
        is instance_type
    )


def _generation(
    host: HostWindows, of_cluster: str, paired: Collection[InstanceType]
) -> InstanceType | None:
    version = host.version or of_cluster
    if version:
        return generation_of(version)
    # By age, so that one that two pairings have configured is covered by the newer of them.
    return max(host.configured_for & set(paired) or paired, key=AGES.index)


def covering(host: HostWindows, paired: Collection[InstanceType]) -> InstanceType | None:
    """Which of the generations that clouds are paired for a host falls under; None: none."""
    for instance_type in paired:
        if covered(instance_type, [host], [one for one in paired if one is not instance_type]):
            return instance_type
    return None


def host_generation_errors(
    instance_type: InstanceType, hosts: Iterable[tuple[str, str]]
) -> tuple[Failure, ...]:
    """Hosts whose Windows generation is not the policy's, each by name.

    Args:
        instance_type: The generation the policy names.
        hosts: FQDN and Windows version, for example "10.0.17763.0"; a host whose version VMM does
            not tell is let through, Hyper-V itself will refuse it.

    Source: SPEC PO-2.
    """
    return tuple(
        Failure(
            "HostGenerationNotSupported",
            f"{host} runs Windows {version}, which {instance_type} does not name.",
            ("All hosts that use a policy run the Windows generation it names.",),
            "Use a policy of the host's generation, or take the host out of the cloud.",
        )
        for host, version in hosts
        if version and generation_of(version) is not instance_type
    )


def nothing_fits_errors(
    instance_type: InstanceType,
    cloud: str,
    hosts: Sequence[HostWindows],
    others: Collection[InstanceType] = (),
) -> tuple[Failure, ...]:
    """Why no host of a cloud can use a policy, each by name; empty when one can, or none is there.

    Hosts of other generations beside a fitting one are another policy's.

    Source: SPEC PO-2.
    """
    if not hosts or covered(instance_type, hosts, others):
        return ()
    known = host_generation_errors(instance_type, [(host.fqdn, host.version) for host in hosts])
    if known:
        return known
    names = ", ".join(sorted(host.fqdn for host in hosts))
    return (
        Failure(
            "HostGenerationNotKnown",
            f"No host of {cloud} is known to run what {instance_type} names: {names}.",
            ("VMM does not tell which Windows they run, and they belong to another policy.",),
            "Refresh the hosts in VMM, then the server, and try again.",
        ),
    )


def machine_generation_failure(
    machine: str, host: HostWindows, policies: Iterable[str] = ()
) -> Failure:
    """A machine is on a host whose generation no policy of its clouds, or not the one named, has.

    Args:
        machine: Its name.
        host: Where it is.
        policies: Names of the policies that do not fit.

    Source: SPEC PO-2.
    """
    names = ", ".join(sorted(policies))
    return Failure(
        "HostGenerationNotSupported",
        f"{machine} is on {host.fqdn}, which runs Windows {host.version or '(not known)'}: no "
        f"generation named by {names or 'a policy of its clouds'}.",
        (
            "All hosts that use a policy run the Windows generation it names.",
            "A cloud with hosts of several generations needs a policy for each.",
        ),
        "Pair the same clouds once more, under a policy of the host's generation, or move the "
        "machine to a host of the policy's.",
    )
