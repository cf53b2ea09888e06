"""Record functions of plan runs: their beginning and end, and what became of scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.rules import Operation
from coordinator.recovery.models import RecoveryPlan

# As enumerations of the wire are written in JSON.
OUTCOME = "PLAN_SCRIPT_OUTCOME_"
SUCCEEDED, TIMED_OUT, UNKNOWN = (
    f"{OUTCOME}{name}" for name in ("SUCCEEDED", "TIMED_OUT", "UNKNOWN")
)

# So much of what a script wrote is in the failure; the job's details have all that was kept.
TOLD_CHARACTERS = 1000

_LAST_RUN: Mapping[str, str] = {
    Operation.TEST_FAILOVER: "last_test_failover_at",
    Operation.PLANNED_FAILOVER: "last_planned_failover_at",
    Operation.UNPLANNED_FAILOVER: "last_unplanned_failover_at",
}


def plan_run_begins(call: RecordCall) -> Mapping[str, object]:
    """The plan remembers when it last ran as what."""
    field = _LAST_RUN.get(str(call.arguments["operation"]))
    if field is not None:
        RecoveryPlan.objects.filter(id=_plan_id(call.arguments)).update(**{field: call.now})
    return {}


def plan_run_ends(call: RecordCall) -> Mapping[str, object]:
    """The last task of a run that came to its end; there is nothing left to do."""
    del call
    return {}


def tell_left_out(call: RecordCall) -> Mapping[str, object]:
    """Says which machines an unplanned failover goes without, and why.

    Raises:
        StepFailedError: RecoveryPlanMachinesLeftOut, always: it is information, nothing stops.
    """
    machines = cast("list[Mapping[str, str]]", call.inputs["machines"])
    count = cast("int", call.inputs["count"])
    names = ", ".join(machine["name"] for machine in machines)
    more = f" and {count - len(machines)} more" if count > len(machines) else ""
    raise StepFailedError(
        Failure(
            "RecoveryPlanMachinesLeftOut",
            f"{count} of the machines of {call.inputs['plan']} do not fail over: {names}{more}.",
            tuple(f"{machine['name']}: {machine['reason']}" for machine in machines),
            "Do what the causes say for each machine, then run the plan again: it goes on with "
            "those that are left.",
        )
    )


def plan_run_finished(job: FinishedJob) -> str | None:
    """What a run leaves: a drill counts once it has been cleaned up well (SPEC FO-1)."""
    operation = Operation(str(job.arguments["operation"]))
    if job.state is JobState.SUCCEEDED:
        if operation is Operation.TEST_FAILOVER_CLEANUP:
            RecoveryPlan.objects.filter(id=_plan_id(job.arguments)).update(last_drill_at=job.now)
        return None
    if job.state is JobState.CANCELLED:
        return _CANCELLED
    return _LEFT.get(operation, "The jobs of the machines say what each of them was left as.")


def plan_run_restarts(job: FinishedJob) -> None:
    """A plan has no state of its own; its machines are brought back by their own jobs."""
    del job


def keep_plan_script_output(call: RecordCall) -> Mapping[str, object]:
    """What the script wrote, in ASR's shape of a task's details."""
    written = [str(call.inputs[field] or "") for field in ("output", "error_output")]
    return {
        "details": {
            "instanceType": "ScriptActionTaskDetails",
            "name": call.inputs["name"],
            "path": call.inputs["path"],
            "output": "\n".join(text for text in written if text),
            "isPrimarySideScript": call.inputs["primary_side"],
        }
    }


def judge_plan_script(call: RecordCall) -> Mapping[str, object]:
    """Fails the action when its script did not succeed; the action's rule says what that means.

    Raises:
        StepFailedError: PlanScriptFailed, PlanScriptTimedOut or PlanScriptOutcomeUnknown.
    """
    outcome = call.inputs["outcome"]
    if outcome is None or outcome == SUCCEEDED:
        # None: the command did not get so far, and its own failure has been told.
        return {}
    name, path = str(call.inputs["name"]), str(call.inputs["path"])
    said = str(call.inputs["error_output"] or "")[:TOLD_CHARACTERS].strip()
    script = f'The script of "{name}" ({path})'
    again = "Make sure of what it has done, then restart the job or run the plan again."
    if outcome == TIMED_OUT:
        limit_seconds = cast("int", call.inputs["limit_seconds"])
        raise StepFailedError(
            Failure(
                "PlanScriptTimedOut",
                f"{script} had not ended after {limit_seconds} s and was ended by force.",
                ("It waits for something, or for an answer that nobody gives.",),
                f"Make the script faster, or give it more time (at most 600 s). {again}",
            )
        )
    if outcome == UNKNOWN:
        raise StepFailedError(
            Failure(
                "PlanScriptOutcomeUnknown",
                f"{script} was begun; how it ended is unknown. {said}",
                (
                    "The provider or its PowerShell ended while the script ran.",
                    "A script may do anything, so it is not run a second time by itself.",
                ),
                again,
            )
        )
    raise StepFailedError(
        Failure(
            "PlanScriptFailed",
            f"{script} failed: {said or 'it said nothing.'}",
            (
                "It wrote to the error stream, threw, or exited with a code other than 0.",
                "It called Write-Host, which a script without a console must not.",
            ),
            f"Run the script by hand as the provider's account and mend it. {again}",
        )
    )


_LEFT: Mapping[Operation, str] = {
    Operation.TEST_FAILOVER: (
        "Test machines that were made are still there: clean up the test failover of the plan."
    ),
    Operation.TEST_FAILOVER_CLEANUP: (
        "Some test machines, or what was created for them, may still be there: clean up again."
    ),
    Operation.PLANNED_FAILOVER: (
        "Machines whose jobs succeeded run on the other side; the others are as their jobs say. "
        "Restart the job, or run the plan again: it goes on with those that are left."
    ),
    Operation.UNPLANNED_FAILOVER: (
        "Machines whose jobs succeeded run on the other side; the others are as their jobs say. "
        "Run the plan again for those that are left."
    ),
}


_CANCELLED = (
    "Machines that could not go back any more were led to the end of the operation, without the "
    "actions of the plan; the others were brought back, or not touched. Their jobs say which."
)


def _plan_id(arguments: Mapping[str, object]) -> str:
    return str(arguments["plan_id"])
