"""Steps that bring the source back when a failover ends before its point of no return."""

from __future__ import annotations

from coordinator.jobs.steps import FailureRule, Output, StepKind, StepSpec
from coordinator.recovery.snapshot import MachineSnapshot

UNDO_PREPARE = "undo/prepare"
UNDO_SHUT_DOWN = "undo/shut-down"


def undo_steps(
    machine: MachineSnapshot,
    *,
    prepare: tuple[str, str] | None,
    shut_down: tuple[str, str],
    former_state: Output,
) -> tuple[StepSpec, ...]:
    """Has the source replicate on, and start again if it ran.

    Args:
        machine: Its two sides.
        prepare: Task and key of the step that prepares the failover; None: there is none.
        shut_down: Task and key of the step that stops the machine.
        former_state: VMState that the source was in.
    """
    undone = []
    if prepare is not None:
        undone.append(
            machine.on(
                machine.active,
                StepSpec(
                    key=UNDO_PREPARE,
                    task=prepare[0],
                    kind=StepKind.COMMAND,
                    action="cancel_failover",
                    # The machine is started all the same, if Hyper-V lets it.
                    on_failure=FailureRule.WARN,
                    time_limit_seconds=300,
                    undoes=prepare[1],
                ),
            )
        )
    undone.append(
        machine.on(
            machine.active,
            StepSpec(
                key=UNDO_SHUT_DOWN,
                task=shut_down[0],
                kind=StepKind.COMMAND,
                action="start_virtual_machine",
                inputs={"former_state": former_state},
                after=(former_state.step, *(step.key for step in undone)),
                on_failure=FailureRule.WARN,
                time_limit_seconds=900,
                undoes=shut_down[1],
            ),
        )
    )
    return tuple(undone)
