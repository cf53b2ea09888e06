"""The event of a job that failed."""

from __future__ import annotations

from datetime import datetime

from coordinator.events.services import EventDraft, clear_event, note_event, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure
from coordinator.jobs.models import Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.states import JobState
from coordinator.jobs.stored_failures import read_failure


def tell_failure(job: Job, now: datetime) -> None:
    """Raises the event of a job that failed; one that was restarted and succeeded clears it.

    A failover that failed stands open until then. Of others it is noted that they failed: what is
    wrong now their objects say themselves, and many are begun anew instead of restarted.

    Args:
        job: It has ended, and is no part of another.
        now: The time.

    Source: SPEC EV-1.
    """
    key = f"job:{job.id}"
    urgent = job.queue == QueueName.FAILOVER
    if job.state == JobState.SUCCEEDED and urgent:
        clear_event(job.vault_id, key, now)
    if job.state != JobState.FAILED:
        return
    why = (
        read_failure(job.errors[0]) if job.errors else Failure("JobFailed", "It did not end well.")
    )
    causes = why.possible_causes or ("The job's tasks tell which one failed.",)
    action = why.recommended_action or "Remove the cause, then restart the job."
    tell = raise_event if urgent else note_event
    tell(
        EventDraft(
            vault_id=job.vault_id,
            type=EventType.JOB_STATUS,
            severity=Severity.CRITICAL if urgent else Severity.WARNING,
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
