"""The graph of the job that changes what hosts may send for replication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec

SCENARIO = "LimitReplicationBandwidth"
FRIENDLY_NAME = "Limit replication bandwidth"
TASK = "LimitReplicationBandwidthTask"
STEP_PREFIX = "limit/"


@dataclass(frozen=True)
class HostLimits:
    """A host whose limits are to change.

    Attributes:
        limits: Bits a second by destination port; empty for none.
    """

    fqdn: str
    limits: Mapping[int, int]


def plan_bandwidth(provider_id: str, hosts: tuple[HostLimits, ...]) -> Graph:
    """Sets the limits of each host, all at once: none of them needs another. Source: SPEC CA-2."""
    return Graph(
        tasks=(TaskSpec(TASK, FRIENDLY_NAME),),
        steps=tuple(
            StepSpec(
                key=f"{STEP_PREFIX}{host.fqdn}",
                task=TASK,
                kind=StepKind.COMMAND,
                action="set_bandwidth_limit",
                provider=provider_id,
                inputs={
                    "host": host.fqdn,
                    "limits": [
                        {"port": port, "bits_per_second": str(bits)}
                        for port, bits in sorted(host.limits.items())
                    ],
                },
                time_limit_seconds=180,
            )
            for host in hosts
        ),
    )
