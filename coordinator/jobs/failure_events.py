"""The event of a job of the failover family that failed."""

from __future__ import annotations

from datetime import datetime

from coordinator.events.services import EventDraft, clear_event, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.jobs.stored_failures import read_failure


def tell_failure(job: Job, now: datetime) -> None:
    """Raises the event of a job that failed; one that was restarted and succeeded clears it.

    Source: SPEC EV-1.
    """
    key = f"job:{job.id}"
    if job.state == JobState.SUCCEEDED:
        clear_event(job.vault_id, key, now)
        return
    if job.state != JobState.FAILED:
        return
    why = (
        read_failure(job.errors[0]) if job.errors else Failure("JobFailed", "It did not end well.")
    )
    causes = why.possible_causes or ("The job's tasks tell which one failed.",)
    action = why.recommended_action or "Remove the cause, then restart the job."
    raise_event(
        EventDraft(
            vault_id=job.vault_id,
            type=EventType.JOB_STATUS,
            severity=Severity.CRITICAL,
            code="JobFailed",
            failure=Failure(
                why.code,
                f"{job.friendly_name} of {job.target_name} failed: {why.message}",
                causes,
                action,
            ),
            affected_type=job.target_type,
            affected_id=job.target_id,
            affected_name=job.target_name,
            key=key,
        ),
        now,
    )
