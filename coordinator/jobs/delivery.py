"""What providers say about commands they are at: acknowledgements and progress."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Value
from django.db.models.functions import Greatest

from coordinator.jobs.models import Command, Step
from coordinator.jobs.states import UNFINISHED_COMMANDS, StepState

ACKNOWLEDGE = """
UPDATE jobs_command AS command SET state = 'acknowledged', acknowledged_at = %s
FROM unnest(%s::uuid[], %s::uuid[]) AS told (command_id, provider_id)
WHERE command.command_id = told.command_id AND command.provider_id = told.provider_id
    AND command.state IN ('pending', 'sent')
"""


def acknowledge_commands(commands: Mapping[UUID, UUID], now: datetime) -> None:
    """Notes that commands are in their agents' journals. Idempotent.

    Args:
        commands: Their providers, by command id; another provider's commands are left alone.
        now: The time.
    """
    with connection.cursor() as cursor:
        cursor.execute(ACKNOWLEDGE, [now, list(commands), list(commands.values())])


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
