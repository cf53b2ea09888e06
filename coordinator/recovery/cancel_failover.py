"""The graph of CancelFailover: the copy that was left is the machine again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.gates import Gate
from coordinator.recovery.snapshot import MachineSnapshot, Side

SCENARIO = "CancelFailover"
FRIENDLY_NAME = "Cancel failover"

CHECK = "VmCancelFailoverPrerequisitesCheck"
CANCEL = "VmCancelFailover"
SOURCE = "VmCancelFailoverOnPrimary"
START = "VmStartVmOnPrimary"

NOT_CONNECTED = "The provider of the source site is not connected."


def plan_cancel_failover(machine: MachineSnapshot, *, failed_over: bool) -> Graph:
    """Turns the failed-over copy off, makes it a replica again, and starts the source.

    What was written in the failed-over copy is lost. The source is started only after the other
    copy is off, and as far as its site answers; its replication goes on from where it was. But of a
    failover that never changed sides nobody has started the other copy: when its site is away, the
    source is started first, and the rest is done when both can be reached.

    Args:
        machine: Its two sides.
        failed_over: Its active side is the failed-over copy; else the failover never got so far
            as to change sides, and the passive one is.

    Source: SPEC FO-4; Stop-VMFailover on both sides.
    """
    copy, source = (
        (machine.active, machine.passive) if failed_over else (machine.passive, machine.active)
    )
    reason = "" if source.connected else NOT_CONNECTED
    source_first = not failed_over and source.connected and not copy.connected
    steps = (
        (
            *source_steps(machine, source, SOURCE, after=(), rule=FailureRule.STOP),
            *_at_copy(machine, copy, after=("source/start",)),
            *_replicate(machine.once_decided(), source, after="cancel/record"),
        )
        if source_first
        else (
            *_at_copy(machine, copy, after=()),
            *source_steps(machine.once_decided(), source, SOURCE, after=("cancel/record",)),
            *_replicate(machine.once_decided(), source, after="source/start"),
        )
    )
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for cancelling the failover"),
            TaskSpec(CANCEL, "Cancel the failover"),
            TaskSpec(SOURCE, "Resume replication at the source", reason),
            TaskSpec(START, "Start the virtual machine", reason),
        ),
        steps=steps,
    )


def _at_copy(machine: MachineSnapshot, copy: Side, *, after: tuple[str, ...]) -> Iterator[StepSpec]:
    yield machine.on(
        copy,
        StepSpec(
            key="prerequisites/read",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_replication",
            after=after,
            time_limit_seconds=120,
        ),
    )
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="recovery.check_cancellation",
        inputs={
            "mode": Output("prerequisites/read", "mode"),
            "state": Output("prerequisites/read", "state"),
        },
        after=("prerequisites/read",),
    )
    yield machine.on(
        copy,
        StepSpec(
            key="cancel/replica",
            task=CANCEL,
            kind=StepKind.COMMAND,
            action="cancel_failover",
            after=("prerequisites/check",),
            time_limit_seconds=900,
            point_of_no_return=True,
            gate=Gate.FAILOVER,
            expected_seconds=10,
        ),
    )
    yield StepSpec(
        key="cancel/record",
        task=CANCEL,
        kind=StepKind.RECORD,
        action="recovery.failover_cancelled",
        after=("cancel/replica",),
    )


def source_steps(
    machine: MachineSnapshot,
    source: Side,
    task: str,
    *,
    after: tuple[str, ...],
    # The failover is cancelled all the same: the item is what it was before.
    rule: FailureRule = FailureRule.WARN,
) -> Iterator[StepSpec]:
    """Has the source take its preparation back, if it has one, and start; none while it is away.

    Args:
        machine: Its two sides.
        source: The one it is brought back to.
        task: Of the step that takes the preparation back.
        after: Keys of the steps before these.
        rule: What a failure means.
    """
    if not source.connected:
        return
    steps = (
        StepSpec(
            key="source/resume",
            task=task,
            kind=StepKind.COMMAND,
            action="cancel_failover",
            after=after,
            time_limit_seconds=300,
            gate=Gate.FAILOVER,
            expected_seconds=5,
        ),
        StepSpec(
            key="source/start",
            task=START,
            kind=StepKind.COMMAND,
            action="start_virtual_machine",
            after=("source/resume",),
            time_limit_seconds=900,
            gate=Gate.BOOT,
            expected_seconds=30,
        ),
    )
    for step in steps:
        yield machine.on(source, replace(step, on_failure=rule))


def _replicate(machine: MachineSnapshot, source: Side, *, after: str) -> Iterator[StepSpec]:
    """A source that ran meanwhile could not send to a copy that was failed over, and gave up."""
    if not source.connected:
        return
    yield machine.on(
        source,
        StepSpec(
            key="source/replicate",
            task=SOURCE,
            kind=StepKind.COMMAND,
            action="resume_replication",
            after=(after,),
            time_limit_seconds=300,
            on_failure=FailureRule.WARN,
            gate=Gate.BOOT,
            expected_seconds=5,
        ),
    )
