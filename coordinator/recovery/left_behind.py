"""In what state an operation of the failover family that did not end well left the machine."""

from __future__ import annotations

from coordinator.jobs.registry import FinishedJob
from coordinator.jobs.states import StepState
from coordinator.protection.models import ProtectedItem
from coordinator.recovery.undoing import UNDO_PREPARE, UNDO_SHUT_DOWN

# Steps that stop the source, and those that bring it back.
STOPPING = ("shut-down", "turn-off")
UNDOING = (UNDO_PREPARE, UNDO_SHUT_DOWN)
NEVER_BEGUN = frozenset({StepState.NOT_STARTED, StepState.SKIPPED, StepState.CANCELLED})


def began(job: FinishedJob, key: str) -> bool:
    """Whether a step of the job has begun."""
    return job.steps.get(key, StepState.NOT_STARTED) not in NEVER_BEGUN


def undone_well(job: FinishedJob) -> bool:
    """Whether the source is as it was before: never touched, or brought back."""
    if not any(began(job, key) for key in STOPPING):
        return True
    return all(
        job.steps[key] is StepState.SUCCEEDED
        for key in UNDOING
        if key in job.steps and began(job, key)
    ) and began(job, UNDO_SHUT_DOWN)


def left_text(job: FinishedJob, item: ProtectedItem) -> str:
    """What a failover that ended before it was done leaves behind, for people."""
    name = item.friendly_name
    if item.failover_type:
        return (
            f"{name} is failed over, but may not have been started: it is on the "
            f"{item.active_location.lower()} side."
        )
    if began(job, "failover/start"):
        return (
            f"Whether the replica of {name} was failed over is not certain. Run the failover "
            "again: it takes up where it stopped; or cancel the failover."
        )
    if not any(began(job, key) for key in STOPPING):
        return f"{name} was not touched: it runs and replicates as before."
    if undone_well(job):
        return f"{name} was brought back: it runs where it did, and replicates as before."
    return (
        f"{name} may be off at the {item.active_location.lower()} side, and its replication may be "
        "prepared for the failover. Run the failover again, or cancel it."
    )
