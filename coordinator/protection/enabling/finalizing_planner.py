"""The graphs of PrimaryIrCompletion and SecondaryIrCompletion: the first copy is complete."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.networks.planner import MachineNetworks, attach_steps

PRIMARY_SCENARIO = "PrimaryIrCompletion"
PRIMARY_FRIENDLY_NAME = "Finalize protection on the primary virtual machine"
RECOVERY_SCENARIO = "SecondaryIrCompletion"
RECOVERY_FRIENDLY_NAME = "Finalize protection on the recovery virtual machine"


@dataclass(frozen=True)
class FinalizingSnapshot:
    """One side of the machine and the provider that reaches it."""

    provider_id: str
    vm_id: str
    host: str


def plan_primary_completion(snapshot: FinalizingSnapshot) -> Graph:
    """Reads the primary's side again and records that its copy is complete. Source: SPEC RE-2."""
    return Graph(
        tasks=(TaskSpec(PRIMARY_SCENARIO, PRIMARY_FRIENDLY_NAME),),
        steps=(
            _read(PRIMARY_SCENARIO, snapshot),
            _record(PRIMARY_SCENARIO, "protection.primary_finalized", after="read"),
        ),
    )


def plan_recovery_completion(
    snapshot: FinalizingSnapshot, networks: MachineNetworks | None = None
) -> Graph:
    """Reads the replica, has VMM see it on its host, connects it, records the item as protected.

    Networks that cannot be connected now are connected later: the machine is protected either way.

    Source: SPEC RE-2, NW-3; VMM learns of new replicas only by a refresh of their host.
    """
    attaching: tuple[StepSpec, ...] = ()
    if networks is not None:
        attaching = tuple(attach_steps(networks, RECOVERY_SCENARIO, "", after=("refresh",)))
    last = attaching[-1].key if attaching else "refresh"
    return Graph(
        tasks=(TaskSpec(RECOVERY_SCENARIO, RECOVERY_FRIENDLY_NAME),),
        steps=(
            _read(RECOVERY_SCENARIO, snapshot),
            StepSpec(
                key="refresh",
                task=RECOVERY_SCENARIO,
                kind=StepKind.COMMAND,
                action="refresh_host",
                provider=snapshot.provider_id,
                inputs={"host": snapshot.host},
                after=("read",),
                time_limit_seconds=300,
            ),
            *attaching,
            _record(RECOVERY_SCENARIO, "protection.recovery_finalized", after=last),
        ),
    )


def _read(task: str, snapshot: FinalizingSnapshot) -> StepSpec:
    return StepSpec(
        key="read",
        task=task,
        kind=StepKind.COMMAND,
        action="read_replication",
        provider=snapshot.provider_id,
        inputs={"vm": {"vm_id": snapshot.vm_id, "host": snapshot.host}},
        time_limit_seconds=120,
    )


def _record(task: str, action: str, *, after: str) -> StepSpec:
    return StepSpec(
        key="record",
        task=task,
        kind=StepKind.RECORD,
        action=action,
        inputs={"mode": Output("read", "mode"), "state": Output("read", "state")},
        after=(after,),
    )
