"""What an operation that started the machine has to tell when it ends."""

from __future__ import annotations

from coordinator.jobs.registry import FinishedJob, Finisher
from coordinator.protection.services import note_started_by
from coordinator.recovery.undoing import UNDO_SHUT_DOWN

# Keys of the steps that start the machine itself.
STARTS = frozenset({"start", "source/start", UNDO_SHUT_DOWN})


def telling_of_starts(finisher: Finisher | None = None) -> Finisher:
    """A finisher that also keeps that the machine runs, when the job has started it."""

    def finish(job: FinishedJob) -> str | None:
        left = None if finisher is None else finisher(job)
        note_started_by(job, STARTS)
        return left

    return finish
