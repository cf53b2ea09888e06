"""The graph of AbandonFailover: the copy that was left is the machine again, without the other."""

from __future__ import annotations

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.cancel_failover import START, source_steps
from coordinator.recovery.gates import Gate
from coordinator.recovery.snapshot import MachineSnapshot
from coordinator.recovery.unplanned_failover import turn_off_steps

SCENARIO = "AbandonFailover"
FRIENDLY_NAME = "Abandon failover"

TURN_OFF = "VmTurnOffFailedOverVm"
ABANDON = "VmAbandonFailover"

NOT_CONNECTED = "The provider of the site that the machine was failed over to is not connected."


def plan_abandon_failover(machine: MachineSnapshot) -> Graph:
    """Starts the source, whatever the site of the failed-over copy does.

    What is done at the failed-over copy may fail without stopping anything, unless it is seen
    running afterwards; with its provider away nothing is tried. It stays failed over: when its
    site is back it is held, until the failover is cancelled or repeated.

    Args:
        machine: Its two sides; the active one is the failed-over copy.

    Source: SPEC FO-4, FO-7. ASR had nothing of the kind.
    """
    copy, source = machine.active, machine.passive
    looked: tuple[StepSpec, ...] = ()
    if copy.connected:
        # Both must never run at once.
        looked = tuple(
            turn_off_steps(
                machine, copy, turn_off=(TURN_OFF, "copy/turn-off"), look=(TURN_OFF, "copy/read")
            )
        )
    seen = Output("copy/read", "state", optional=True) if looked else ""
    record = StepSpec(
        key="abandon/record",
        task=ABANDON,
        kind=StepKind.RECORD,
        action="recovery.failover_abandoned",
        inputs={"copy_vm_state": seen},
        after=tuple(step.key for step in looked[-1:]),
        gate=Gate.FAILOVER,
    )
    return Graph(
        tasks=(
            TaskSpec(
                TURN_OFF,
                "Turn off the failed-over virtual machine",
                "" if copy.connected else NOT_CONNECTED,
            ),
            TaskSpec(ABANDON, "Abandon the failover"),
            TaskSpec(START, "Start the virtual machine"),
        ),
        steps=(
            *looked,
            record,
            *source_steps(machine.once_decided(), source, ABANDON, after=(record.key,)),
        ),
    )
