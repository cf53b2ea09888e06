"""One active operation per object: locks that running jobs hold."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job, OperationLock

# A lock seen held and then not found was released in between: so often it is tried again.
LOCK_ROUNDS = 5


def take_locks(wanted: Mapping[str, UUID], name: str) -> None:
    """Inserts the lock rows; waits for a transaction that is just taking or releasing one.

    Args:
        wanted: The job that is to hold each lock, by key.
        name: Of what the locks are for, for people.

    Raises:
        RefusedError: 532, status 409: a running job holds one. Trying again helps once it has
            ended.
    """
    if not wanted:
        return
    rows = [OperationLock(key=key, job_id=wanted[key]) for key in sorted(wanted)]
    for _ in range(LOCK_ROUNDS):
        OperationLock.objects.bulk_create(rows, ignore_conflicts=True)
        held = OperationLock.objects.filter(key__in=list(wanted)).values_list("key", "job_id")
        owners = dict(held)
        for key in sorted(owners):
            if owners[key] != wanted[key]:
                raise _busy(Job.objects.get(id=owners[key]))
        if len(owners) == len(wanted):
            return
    raise refuse(
        "532",
        f"Another operation keeps starting on {name}.",
        causes=["Several operations are asked for at the same moment."],
        action="Wait for the running operations to end, then try again.",
        status=409,
    )


def refuse_if_busy(key: str) -> None:
    """Refuses at once when a running job holds a lock, before anything else is looked at.

    Raises:
        RefusedError: 532, status 409, naming the running job.
    """
    lock = OperationLock.objects.select_related("job").filter(key=key).first()
    if lock is not None:
        raise _busy(lock.job)


def _busy(running: Job) -> RefusedError:
    return refuse(
        "532",
        f'Another operation, "{running.friendly_name}", is in progress on {running.target_name} '
        f"(job {running.id}).",
        causes=[f"Job {running.id} was started by {running.started_by} and has not ended."],
        action=f"Wait until job {running.id} has ended, or cancel it, then try again.",
        status=409,
    )
