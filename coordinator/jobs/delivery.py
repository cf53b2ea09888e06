"""Commands on their way to providers and their results on the way back; what the gateway calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest
from opensiterecovery.provider.v1 import command_pb2

from coordinator.jobs.messages import ADVANCE_TASK, send_after_commit
from coordinator.jobs.models import Command, Step
from coordinator.jobs.run import ANSWER_SECONDS
from coordinator.jobs.states import UNFINISHED_COMMANDS, CommandState, StepState

log = structlog.get_logger(__name__)

ANSWER_TIME = timedelta(seconds=ANSWER_SECONDS)
# What a command gets that is sent again after its time: on the wire, none at all means a default.
# A provider that has never seen it answers that it was not begun.
LEAST_TIME = timedelta(milliseconds=1)


def claim_commands(provider_id: UUID, fence: int, now: datetime, limit: int = 20) -> list[bytes]:
    """Takes the next commands for a session to send, in the order they were written.

    Also takes what an older session took and may never have delivered, so that nothing is lost
    when two sessions of one provider overlap; a session never takes from a newer one. A command
    that waited for its provider has only what is left of its time: nothing begins, or goes on,
    after its step was given up. One whose time is over and that was never sent stays unsent. A
    command that may wait for its provider, or for a slot of its host, gets its whole time, whenever
    that comes.

    Args:
        provider_id: The session's provider.
        fence: The session's fence: larger than those of all earlier sessions of the provider.
        now: The time.
        limit: How many at most.

    Returns:
        Serialized `Command` messages; empty when nothing waits.
    """
    in_time = (
        Q(step__deadline_at__gt=now + ANSWER_TIME)
        | Q(step__patience_seconds__gt=0)
        | ~Q(step__slot="")
        | ~Q(state=CommandState.PENDING)
    )
    return _claim(_undelivered(provider_id, fence).filter(in_time), fence, now, limit)


def commands_to_resend(provider_id: UUID, fence: int, now: datetime) -> list[bytes]:
    """Takes everything that earlier sessions sent and that has no result yet.

    For the start of a session. The agent answers a command it has finished with the recorded
    result and goes on with one it is at.

    Returns:
        Serialized `Command` messages in order; empty when nothing is open.
    """
    open_commands = _undelivered(provider_id, fence).exclude(state=CommandState.PENDING)
    return _claim(open_commands, fence, now, None)


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


def _undelivered(provider_id: UUID, fence: int) -> QuerySet[Command]:
    return Command.objects.filter(provider_id=provider_id, state__in=UNFINISHED_COMMANDS).filter(
        Q(sent_fence=None) | Q(sent_fence__lt=fence)
    )


def _claim(
    commands: QuerySet[Command], fence: int, now: datetime, limit: int | None
) -> list[bytes]:
    with transaction.atomic():
        rows = list(
            commands.select_for_update(of=("self",), skip_locked=True)
            .order_by("sequence")
            .values_list(
                "sequence",
                "body",
                "step__deadline_at",
                "step__patience_seconds",
                "step__slot",
            )[:limit]
        )
        if rows:
            taken = Command.objects.filter(sequence__in=[sequence for sequence, *_ in rows])
            taken.update(sent_fence=fence, claimed_at=Coalesce("claimed_at", Value(now)))
            taken.filter(state=CommandState.PENDING).update(state=CommandState.SENT)
    return [
        bytes(body) if patience or slot else _in_time(bytes(body), deadline_at, now)
        for _, body, deadline_at, patience, slot in rows
    ]


def _in_time(body: bytes, deadline_at: datetime | None, now: datetime) -> bytes:
    """The command with no more time than its step still has, in whole seconds."""
    if deadline_at is None:
        return body
    command = command_pb2.Command.FromString(body)
    seconds = ceil((deadline_at - ANSWER_TIME - now).total_seconds())
    left = max(timedelta(seconds=seconds), LEAST_TIME)
    if left >= command.time_limit.ToTimedelta():
        return body
    command.time_limit.FromTimedelta(left)
    return command.SerializeToString()
