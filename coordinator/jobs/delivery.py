"""What providers say about their commands: acknowledgements, progress, results."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import Value
from django.db.models.functions import Greatest
from opensiterecovery.provider.v1 import command_pb2

from coordinator.jobs.messages import ADVANCE_TASK, send_after_commit
from coordinator.jobs.models import Command, Step
from coordinator.jobs.states import UNFINISHED_COMMANDS, CommandState, StepState

log = structlog.get_logger(__name__)


def acknowledge_command(provider_id: UUID, command_id: UUID, now: datetime) -> None:
    """Notes that the command is in the agent's journal. Idempotent."""
    Command.objects.filter(
        command_id=command_id,
        provider_id=provider_id,
        state__in=[CommandState.PENDING, CommandState.SENT],
    ).update(state=CommandState.ACKNOWLEDGED, acknowledged_at=now)


def record_progress(provider_id: UUID, command_id: UUID, percent: int, activity: str) -> None:
    """Notes how far the command's step is; a percentage never falls.

    Args:
        provider_id: The session's provider; other providers' commands are left alone.
        command_id: The command.
        percent: 0 to 100; larger numbers count as 100.
        activity: What is being done, for people; the first 255 characters are kept.
    """
    steps = Command.objects.filter(
        command_id=command_id, provider_id=provider_id, state__in=UNFINISHED_COMMANDS
    ).values("step_id")
    Step.objects.filter(id__in=steps, state=StepState.IN_PROGRESS).update(
        percent=Greatest("percent", Value(min(percent, 100))), activity=activity[:255]
    )


def store_result(provider_id: UUID, result: bytes, now: datetime) -> bool:
    """Stores a command's result and has the engine go on with its job after the commit.

    Args:
        provider_id: The session's provider: only its own commands are touched.
        result: Serialized `CommandResult`.
        now: When it arrived.

    Returns:
        Whether the command is one of this provider's. False: unknown here, or another provider's;
        the agent may forget it either way.

    Raises:
        google.protobuf.message.DecodeError: The bytes are no CommandResult.
        ValueError: The command id is no UUID.

    Idempotent: A second result of a finished command changes nothing.
    """
    command_id = UUID(command_pb2.CommandResult.FromString(result).command_id)
    own = Command.objects.filter(command_id=command_id, provider_id=provider_id)
    stored = own.filter(state__in=UNFINISHED_COMMANDS).update(
        result=result, state=CommandState.FINISHED, finished_at=now
    )
    found = own.values_list("state", "step__job_id", "step__job__queue").first()
    if found is None:
        log.warning(
            "command.result_foreign", provider_id=str(provider_id), command_id=str(command_id)
        )
        return False
    state, job_id, queue = found
    if stored:
        # The untaken result is found by the sweep if this message is lost.
        send_after_commit(ADVANCE_TASK, queue, str(job_id))
    elif state == CommandState.ABANDONED:
        own.filter(result=None).update(result=result, finished_at=now)
        log.warning("command.result_late", provider_id=str(provider_id), command_id=str(command_id))
    return True
