"""The jobs domain's verbs: beginning jobs and acting on them, the gateway's, `enqueue`."""

from __future__ import annotations

from uuid import UUID

from coordinator.jobs.acting import Confirmation, cancel_job, resume_job
from coordinator.jobs.beginning import BeginJob, begin_job, begun_job
from coordinator.jobs.cancelling import (
    cancel_waiting_job,
    release_lock_of_waiting_job,
    tell_waiting_jobs,
)
from coordinator.jobs.claims import ClaimedCommand, claim_commands, commands_to_resend
from coordinator.jobs.delivery import acknowledge_commands, record_progress
from coordinator.jobs.engine import Announce, announce_nothing
from coordinator.jobs.exports.services import RECORDS, ExportRequest, begin_export
from coordinator.jobs.intake import (
    Arrival,
    Engine,
    Intake,
    Listener,
    read_arrival,
    store_result,
    take_in,
)
from coordinator.jobs.locks import refuse_if_busy
from coordinator.jobs.messages import ask_to_advance
from coordinator.jobs.models import Job
from coordinator.jobs.outbox import enqueue
from coordinator.jobs.queues import QueueName
from coordinator.jobs.restarting import restart_job
from coordinator.jobs.statements import CommitUnknownError
from coordinator.jobs.steps import JobTarget

__all__ = [
    "RECORDS",
    "Announce",
    "Arrival",
    "BeginJob",
    "ClaimedCommand",
    "CommitUnknownError",
    "Confirmation",
    "Engine",
    "ExportRequest",
    "Intake",
    "JobTarget",
    "Listener",
    "QueueName",
    "acknowledge_commands",
    "announce_nothing",
    "begin_export",
    "begin_job",
    "begun_job",
    "cancel_job",
    "cancel_waiting_job",
    "claim_commands",
    "commands_to_resend",
    "enqueue",
    "read_arrival",
    "record_progress",
    "refuse_if_busy",
    "release_lock_of_waiting_job",
    "request_advance",
    "restart_job",
    "resume_job",
    "store_result",
    "take_in",
    "tell_waiting_jobs",
]


def request_advance(job_id: UUID) -> None:
    """Has the engine look at a job once the transaction commits.

    For domains that wrote something a WAIT step may be waiting for; without it the engine looks by
    itself every few seconds. Idempotent.
    """
    job = Job.objects.filter(id=job_id).only("id", "root_id", "queue").first()
    if job is not None:
        ask_to_advance(job)
