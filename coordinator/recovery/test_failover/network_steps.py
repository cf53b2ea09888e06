"""Steps that make a network for tests, and that remove it: of one machine's job, or of a plan's."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.test_failover.rules import NetworkDraft

CREATE = "network/create"
CREATED = "network/created"
UNDO = "undo/network"

# Of a network that no test uses any more and no clean-up removed.
REMOVAL_SCENARIO = "RemoveTestNetwork"
REMOVAL_NAME = "Remove test network"
REMOVAL_TASK = "RemoveTestNetworkTask"


@dataclass(frozen=True, kw_only=True)
class MadeNetwork:
    """A network that is made for tests.

    Attributes:
        row_id: Of its row.
        provider_id: Of the server it is made on.
        description: By which it is known as ours.
    """

    row_id: str
    provider_id: str
    name: str
    description: str


def creation_steps(
    network: MadeNetwork, draft: NetworkDraft, task: str, *, after: tuple[str, ...] = ()
) -> tuple[StepSpec, ...]:
    """Makes the network and notes what VMM made of it; the last one is "network/created"."""
    return (
        StepSpec(
            key=CREATE,
            task=task,
            kind=StepKind.COMMAND,
            action="create_test_network",
            provider=network.provider_id,
            inputs={
                "name": network.name,
                "description": network.description,
                "logical_network_id": draft.logical_network_id,
                "isolation_type": draft.isolation,
                "subnets": [
                    {
                        "name": subnet.name,
                        "subnet": subnet.subnet,
                        "pools": [
                            {
                                "name": pool.name,
                                "first_address": pool.first_address,
                                "last_address": pool.last_address,
                                "default_gateways": list(pool.default_gateways),
                                "dns_servers": list(pool.dns_servers),
                            }
                            for pool in subnet.pools
                        ],
                    }
                    for subnet in draft.subnets
                ],
            },
            after=after,
            time_limit_seconds=600,
            expected_seconds=15,
        ),
        StepSpec(
            key=CREATED,
            task=task,
            kind=StepKind.RECORD,
            action="recovery.test_network_created",
            inputs={
                "network": network.row_id,
                "vm_network_id": Output(CREATE, "vm_network_id"),
                "subnets": Output(CREATE, "subnets"),
            },
            after=(CREATE,),
        ),
    )


def removal_steps(
    network: MadeNetwork, task: str, *, key: str = "network", after: tuple[str, ...] = ()
) -> tuple[StepSpec, ...]:
    """Removes the network and notes that it is gone.

    Args:
        network: The network.
        task: Of the steps.
        key: What their keys begin with.
        after: What comes before; everything that is connected to it must be gone.
    """
    return (
        StepSpec(
            key=f"{key}/remove",
            task=task,
            kind=StepKind.COMMAND,
            action="remove_test_network",
            provider=network.provider_id,
            inputs={"name": network.name, "description": network.description},
            after=after,
            time_limit_seconds=600,
            expected_seconds=15,
        ),
        StepSpec(
            key=f"{key}/removed",
            task=task,
            kind=StepKind.RECORD,
            action="recovery.test_network_removed",
            inputs={"network": network.row_id},
            after=(f"{key}/remove",),
        ),
    )


def plan_removal(network: MadeNetwork) -> Graph:
    """The graph of a job of its own."""
    return Graph(
        tasks=(TaskSpec(REMOVAL_TASK, f"Remove the network {network.name}"),),
        steps=removal_steps(network, REMOVAL_TASK),
    )
