"""The phases of a run: shutting down, failing over, starting group by group (SPEC RP-1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from coordinator.jobs.steps import ChildJob, FailureRule, Graph, StepKind, StepSpec
from coordinator.recovery.gates import Gate
from coordinator.recovery.plans.records import (
    ActionPosition,
    FailoverType,
    GroupRecord,
    GroupType,
)
from coordinator.recovery.plans.runs.actions import add_actions, skip_actions
from coordinator.recovery.plans.runs.requests import RunRequest
from coordinator.recovery.plans.runs.sequence import Sequence

# Of the checks that a plan wants of all its machines before it touches the first.
CHECK_GATE = "check"

# ASR's names of tasks.
CHECK_TASK = "RpSrsPrerequisitesCheck"
ENVIRONMENT_TASK = "RpEnvironmentCreationTask"
FAILOVER_TASK = "FailoverAllActionGroup"
END_TASK = "EndRecoveryPlanTask"

GROUP_ACTION = "recovery.plan_group"
_TYPES: dict[str, GroupType] = {Gate.SHUTDOWN: GroupType.SHUTDOWN, Gate.BOOT: GroupType.BOOT}
NOT_SHUT_DOWN = "The machines are not shut down in this run."


def checks_first(request: RunRequest) -> bool:
    """Whether every machine is checked before the first is touched.

    An unplanned failover does not wait: what cannot fail over holds up nothing else.
    """
    return request.failover_type in {FailoverType.PLANNED, FailoverType.TEST}


def child_of(request: RunRequest, child: ChildJob) -> ChildJob:
    """A machine's job as the run has it: its checks have a gate when all are made first."""
    if not checks_first(request) or child.skipped_reason:
        return child
    return replace(child, graph=_checks_gated(child.graph))


def add_checks(sequence: Sequence, request: RunRequest) -> None:
    """Adds the checks of all machines, when they come first."""
    if checks_first(request):
        _group(sequence, request, (CHECK_TASK, "machines", CHECK_GATE), request.plan.item_ids)


def add_shutdown(sequence: Sequence, request: RunRequest) -> None:
    """Adds shutting down, last group first, with the actions around it."""
    phase = request.plan.shutdown
    if not request.shuts_down:
        skip_actions(sequence, request, phase, NOT_SHUT_DOWN)
        return
    add_actions(sequence, request, phase, ActionPosition.START)
    for group in reversed(request.plan.groups):
        task = f"Group{group.number}Shutdown"
        sequence.add_task(task, f"Group {group.number}: Shut down ({len(group.item_ids)})")
        _group(sequence, request, (task, f"{group.key}/shutdown", Gate.SHUTDOWN), group.item_ids)
    add_actions(sequence, request, phase, ActionPosition.END)


def add_failover(sequence: Sequence, request: RunRequest) -> None:
    """Adds the failover of all machines at once, with the actions around it."""
    phase, item_ids = request.plan.failover, request.plan.item_ids
    add_actions(sequence, request, phase, ActionPosition.START)
    sequence.add_task(FAILOVER_TASK, f"All groups: Failover ({len(item_ids)})")
    _group(sequence, request, (FAILOVER_TASK, "failover", Gate.FAILOVER), item_ids)
    add_actions(sequence, request, phase, ActionPosition.END)


def add_boot(sequence: Sequence, request: RunRequest, group: GroupRecord) -> None:
    """Adds starting a group's machines, with the actions around it."""
    add_actions(sequence, request, group, ActionPosition.START)
    task = f"Group{group.number}"
    sequence.add_task(task, f"Group {group.number}: Start ({len(group.item_ids)})")
    _group(sequence, request, (task, group.key, Gate.BOOT), group.item_ids)
    add_actions(sequence, request, group, ActionPosition.END)


def add_whole(sequence: Sequence, request: RunRequest, task: str, friendly_name: str) -> None:
    """Adds an operation without phases: all machines at once, each to its end."""
    item_ids = request.plan.item_ids
    sequence.add_task(task, f"All groups: {friendly_name} ({len(item_ids)})")
    _group(sequence, request, (task, "machines", ""), item_ids)


def _group(
    sequence: Sequence,
    request: RunRequest,
    named: tuple[str, str, str],
    item_ids: Collection[str],
) -> None:
    """A step that opens a gate for machines and waits for them; named by task, key and gate."""
    task, key, gate = named
    # A planned run stops at what fails, and can be restarted; an unplanned one goes on. What was
    # made for a test goes only once no machine uses it any more.
    goes_on = request.failover_type in {FailoverType.UNPLANNED, None}
    goes_on = goes_on and not request.environment.removal
    sequence.then(
        StepSpec(
            key=key,
            task=task,
            kind=StepKind.GROUP,
            action=GROUP_ACTION,
            inputs={
                "members": [request.machines[item_id].child.key for item_id in item_ids],
                "gate": str(gate),
                "type": str(_TYPES.get(gate, GroupType.FAILOVER)),
            },
            on_failure=FailureRule.WARN if goes_on else FailureRule.STOP,
        )
    )


def _checks_gated(graph: Graph) -> Graph:
    """Steps that wait for no gate, nor for a step that does, wait for the gate of the checks."""
    gated: set[str] = {step.key for step in graph.steps if step.gate}
    grown = True
    while grown:
        behind = {step.key for step in graph.steps if gated.intersection(step.after)}
        grown = not behind <= gated
        gated |= behind
    return replace(
        graph,
        steps=tuple(
            step if step.key in gated or step.undoes else replace(step, gate=CHECK_GATE)
            for step in graph.steps
        ),
    )
