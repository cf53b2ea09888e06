"""The graph of ChangePit: a failed-over machine is taken to another recovery point."""

from __future__ import annotations

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.gates import Gate
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.snapshot import MachineSnapshot
from coordinator.recovery.unplanned_failover import WIRE_TAGS

# ASR's name of the operation; no recording shows its job.
SCENARIO = "ChangePit"
FRIENDLY_NAME = "Change recovery point"

CHECK = "VmChangePitPrerequisitesCheck"
CHANGE = "VmChangePit"
START = "VmFoStartVmOnSecondary"


def plan_change_recovery_point(
    machine: MachineSnapshot, *, tag: RecoveryTag = RecoveryTag.LATEST, point_id: str = ""
) -> Graph:
    """Discards the failover, fails over to the other point, starts the machine again.

    What was written since the failover is lost. All of it happens on the side the machine runs on.

    Args:
        machine: Its active side is the failed-over copy.
        tag: Which recovery point, unless one is given.
        point_id: Hyper-V's id of the point; empty: by the tag.

    Source: SPEC FO-4; Stop-VMFailover, Start-VMFailover.
    """
    point: dict[str, object] = {"recovery_point_id": point_id, "recovery_tag": WIRE_TAGS[tag]}
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for changing the recovery point"),
            TaskSpec(CHANGE, "Change the recovery point"),
            TaskSpec(START, "Start the replica virtual machine"),
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
                action="recovery.check_point_change",
                inputs={
                    "mode": Output("prerequisites/read", "mode"),
                    "state": Output("prerequisites/read", "state"),
                    "recovery_points": Output("prerequisites/read", "recovery_points"),
                    "recovery_tag": tag,
                    "recovery_point_id": point_id,
                },
                after=("prerequisites/read",),
            ),
            _act(machine, "cancel_failover", "change/discard", "prerequisites/check", {}),
            _act(machine, "start_failover", "change/start", "change/discard", point),
            StepSpec(
                key="change/record",
                task=CHANGE,
                kind=StepKind.RECORD,
                action="recovery.point_changed",
                inputs={
                    "last_replication_time": Output(
                        "change/start", "last_replication_time", optional=True
                    ),
                    "failed_over_to": Output("change/start", "failed_over_to", optional=True),
                },
                after=("change/start",),
            ),
            machine.on(
                machine.active,
                StepSpec(
                    key="start",
                    task=START,
                    kind=StepKind.COMMAND,
                    action="start_virtual_machine",
                    after=("change/record",),
                    time_limit_seconds=900,
                    gate=Gate.BOOT,
                    expected_seconds=30,
                ),
            ),
        ),
    )


def _act(
    machine: MachineSnapshot, action: str, key: str, after: str, inputs: dict[str, object]
) -> StepSpec:
    return machine.on(
        machine.active,
        StepSpec(
            key=key,
            task=CHANGE,
            kind=StepKind.COMMAND,
            action=action,
            inputs=inputs,
            after=(after,),
            time_limit_seconds=900,
            point_of_no_return=True,
            gate=Gate.FAILOVER,
            expected_seconds=10,
        ),
    )
