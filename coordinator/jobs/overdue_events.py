"""The event of a manual action that nobody has come for in time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from coordinator.events.services import EventDraft, clear_events, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure
from coordinator.jobs.models import Job
from coordinator.jobs.step_rows import StepRow


def tell_overdue(job: Job, step: StepRow, now: datetime) -> None:
    """Raises the event; resuming the job, or its end, clears it.

    Args:
        job: It waits.
        step: A MANUAL step of it, with its inputs.
        now: The time.

    Idempotent: While the event is open.

    Source: SPEC RP-2, EV-1.
    """
    name = str(step.inputs.get("name") or step.key)
    minutes = step.time_limit_seconds / 60
    raise_event(
        EventDraft(
            vault_id=job.vault_id,
            type=EventType.JOB_STATUS,
            severity=Severity.WARNING,
            failure=Failure(
                "ManualActionOverdue",
                f'{job.friendly_name} of {job.target_name} waits: nobody has confirmed "{name}" '
                f"within {minutes:g} minutes.",
                (
                    "What is to be done takes longer than planned.",
                    "Nobody knows that the job waits for them.",
                ),
                f"Do what the action asks for, then resume the job {job.id} with a note; or cancel "
                "it.",
            ),
            affected_type=job.target_type,
            affected_id=job.target_id,
            affected_name=job.target_name,
            key=_key(job.id, step.key),
        ),
        now,
    )


def clear_overdue(vault_id: UUID, job_id: UUID, step_keys: Iterable[str], now: datetime) -> None:
    """The manual actions need nobody any more. Idempotent."""
    clear_events(vault_id, [_key(job_id, key) for key in step_keys], now)


def _key(job_id: UUID, step_key: str) -> str:
    return f"manual:{job_id}:{step_key}"
