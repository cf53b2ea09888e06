"""The graphs of saving and of deleting a recovery plan: pure.

Both are done with the request itself, whose job holds the plan meanwhile and tells what was done.
"""

from __future__ import annotations

from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec

# ASR's names.
SAVE_SCENARIO = "UpdateRecoveryPlan"
SAVE_FRIENDLY_NAME = "Save a recovery plan"
SAVE_TASK = "SaveRecoveryPlanTask"
# ASR's names of these are not known.
DELETE_SCENARIO = "DeleteRecoveryPlan"
DELETE_FRIENDLY_NAME = "Delete a recovery plan"
DELETE_TASK = "DeleteRecoveryPlanTask"

TOLD = "recovery.plan_changed"


def plan_saving() -> Graph:
    """The plan has been saved already; the job's affected objects say what changed."""
    return _told(SAVE_TASK, "Saving the recovery plan")


def plan_deletion() -> Graph:
    """The plan has gone already; machines keep their protection and stay in other plans."""
    return _told(DELETE_TASK, "Deleting the recovery plan")


def _told(task: str, friendly_name: str) -> Graph:
    return Graph(
        tasks=(TaskSpec(task, friendly_name),),
        steps=(StepSpec(key="plan", task=task, kind=StepKind.RECORD, action=TOLD),),
    )
