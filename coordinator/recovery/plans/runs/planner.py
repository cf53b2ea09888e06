"""The graph of a run of a recovery plan: pure (SPEC RP-1..RP-5; ASR's tasks)."""

from __future__ import annotations

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec
from coordinator.protection.rules import MOST_NAMED, Operation
from coordinator.recovery.plans.runs.phases import (
    CHECK_TASK,
    END_TASK,
    ENVIRONMENT_TASK,
    add_boot,
    add_checks,
    add_failover,
    add_shutdown,
    add_whole,
    child_of,
)
from coordinator.recovery.plans.runs.requests import RunRequest
from coordinator.recovery.plans.runs.sequence import Sequence

RUN_BEGINS = "recovery.plan_run_begins"
RUN_ENDS = "recovery.plan_run_ends"
TELL_LEFT_OUT = "recovery.tell_left_out"

NO_ENVIRONMENT = "Nothing has to be created for this run."

# What operations without phases do to all machines, and what that is called.
WHOLE: dict[Operation, tuple[str, str]] = {
    Operation.TEST_FAILOVER_CLEANUP: (
        "TestFailoverCleanupAllActionGroup",
        "Clean up test failover",
    ),
    Operation.COMMIT: ("CommitAllActionGroup", "Commit"),
    Operation.REVERSE_REPLICATE: ("ReverseReplicateAllActionGroup", "Reverse replicate"),
    Operation.CANCEL_FAILOVER: ("CancelFailoverAllActionGroup", "Cancel failover"),
    Operation.ABANDON_FAILOVER: ("AbandonFailoverAllActionGroup", "Abandon failover"),
}


def plan_run(request: RunRequest) -> Graph:
    """The run of a plan: one job, and in it one for each machine.

    A failover checks, creates what it needs, shuts the machines down in the reverse order of the
    groups, fails all of them over at once, starts them group by group, and ends; a test shuts
    nothing down. Every other operation is done to all machines at once.

    Args:
        request: The plan, its machines' prepared operations, and its servers.

    Returns:
        A graph whose children are the machines' jobs, those that are skipped included.

    Source: SPEC RP-1..RP-5; ASR's recorded tasks of a plan.
    """
    sequence = Sequence()
    sequence.add_task(CHECK_TASK, "Checking prerequisites for the recovery plan")
    sequence.then(StepSpec(key="begin", task=CHECK_TASK, kind=StepKind.RECORD, action=RUN_BEGINS))
    if request.left_out:
        sequence.then(_left_out(request))
    if request.operation in WHOLE:
        add_whole(sequence, request, *WHOLE[request.operation])
    else:
        _add_failover(sequence, request)
    sequence.add_task(END_TASK, "Finalizing the recovery plan")
    sequence.then_all(request.environment.removal)
    sequence.then(StepSpec(key="end", task=END_TASK, kind=StepKind.RECORD, action=RUN_ENDS))
    return Graph(
        tasks=tuple(sequence.tasks),
        steps=tuple(sequence.steps),
        children=tuple(
            child_of(request, request.machines[item_id].child) for item_id in request.plan.item_ids
        ),
    )


def _left_out(request: RunRequest) -> StepSpec:
    """Nobody must take a run for whole that went without some of its machines."""
    left_out = [request.machines[item_id] for item_id in sorted(request.left_out)]
    return StepSpec(
        key="left-out",
        task=CHECK_TASK,
        kind=StepKind.RECORD,
        action=TELL_LEFT_OUT,
        inputs={
            "plan": request.plan.name,
            "count": len(left_out),
            "machines": [
                {"name": machine.name, "reason": machine.skipped_reason}
                for machine in left_out[:MOST_NAMED]
            ],
        },
        on_failure=FailureRule.WARN,
    )


def _add_failover(sequence: Sequence, request: RunRequest) -> None:
    add_checks(sequence, request)
    created = request.environment.steps
    sequence.add_task(ENVIRONMENT_TASK, "Create the environment", "" if created else NO_ENVIRONMENT)
    sequence.then_all(created)
    add_shutdown(sequence, request)
    add_failover(sequence, request)
    for group in request.plan.groups:
        add_boot(sequence, request, group)
