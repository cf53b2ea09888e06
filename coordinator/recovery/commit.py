"""The graph of CommitFailover, and the steps of a commit wherever one happens."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.gates import Gate
from coordinator.recovery.snapshot import MachineSnapshot

SCENARIO = "CommitFailover"
FRIENDLY_NAME = "Commit failover"

CHECK = "VmCommitPrerequisitesCheck"
COMMIT = "VmCommit"


def plan_commit(machine: MachineSnapshot) -> Graph:
    """Completes the failover on the side the machine runs on. Source: SPEC FO-4."""
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for commit"),
            TaskSpec(COMMIT, "Commit the failover"),
        ),
        steps=(
            machine.on(
                machine.active,
                StepSpec(
                    key="prerequisites/read",
                    task=CHECK,
                    kind=StepKind.COMMAND,
                    action="read_replication",
                    time_limit_seconds=120,
                ),
            ),
            StepSpec(
                key="prerequisites/check",
                task=CHECK,
                kind=StepKind.RECORD,
                action="recovery.check_commit",
                inputs={
                    "mode": Output("prerequisites/read", "mode"),
                    "state": Output("prerequisites/read", "state"),
                },
                after=("prerequisites/read",),
            ),
            *commit_steps(machine, after="prerequisites/check"),
        ),
    )


def commit_steps(machine: MachineSnapshot, *, after: str) -> Iterator[StepSpec]:
    """Steps of the task VmCommit; the last one is "commit/record"."""
    yield machine.on(
        machine.active,
        StepSpec(
            key="commit/complete",
            task=COMMIT,
            kind=StepKind.COMMAND,
            action="complete_failover",
            after=(after,),
            # Merges the recovery points, which takes as long as they are large.
            time_limit_seconds=1800,
            point_of_no_return=True,
            gate=Gate.FAILOVER,
            expected_seconds=5,
        ),
    )
    yield StepSpec(
        key="commit/record",
        task=COMMIT,
        kind=StepKind.RECORD,
        action="recovery.committed",
        after=("commit/complete",),
    )
