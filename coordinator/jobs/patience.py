"""Commands that may wait for a provider that is away: their time runs only while it is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from coordinator.fabrics.models import Provider
from coordinator.fabrics.queries import is_connected
from coordinator.jobs.models import Command, Step
from coordinator.jobs.run import ANSWER_SECONDS, PATIENT_LOOK_SECONDS, Run
from coordinator.jobs.states import UNFINISHED_COMMANDS
from coordinator.jobs.step_rows import StepRow

AWAY_LOOK_SECONDS = 3600


def waits_for_provider(provider_id: UUID, now: datetime) -> str:
    """What a command waits for, for people; empty while its provider is connected."""
    provider = Provider.objects.select_related("fabric").get(id=provider_id)
    if _connected_since(provider, now) is not None:
        return ""
    return (
        f"Waits for the provider of {provider.fabric.friendly_name}, which is not connected; "
        "goes on when it is."
    )


def put_off(run: Run, step: StepRow) -> bool:
    """Gives a step whose time seems over the time it has left; False when it has none.

    Args:
        run: The advance.
        step: A running one with patience or a slot, to be given up otherwise.
    """
    command = Command.objects.filter(step_id=step.id, state__in=UNFINISHED_COMMANDS).first()
    if command is None or step.provider_id is None:
        return False
    provider = Provider.objects.get(id=step.provider_id)
    limit_seconds = step.time_limit_seconds + ANSWER_SECONDS
    if step.patience_seconds:
        until = time_left_until(
            limit_seconds,
            command.created_at + timedelta(seconds=step.patience_seconds),
            _later(command.created_at, _connected_since(provider, run.now)),
            run.now,
        )
    else:
        until = _in_slot_until(command, provider, timedelta(seconds=limit_seconds), run.now)
    if until is None:
        return False
    if step.patience_seconds:
        run.tell(step, waits_for_provider(step.provider_id, run.now))
    run.put_off(step, until)
    return True


def _in_slot_until(
    command: Command, provider: Provider, limit: timedelta, now: datetime
) -> datetime | None:
    """A command's time runs from when it was claimed; until then only while its provider is away.

    Others go first on its host, for as long as they need.
    """
    if command.claimed_at is not None:
        until = command.claimed_at + limit
    elif _connected_since(provider, now) is not None:
        return now + limit
    else:
        seen = (provider.disconnected_at, provider.last_heartbeat_at, command.created_at)
        until = max(moment for moment in seen if moment is not None) + limit
    return until if until > now else None


def time_left_until(
    limit_seconds: float, patience_ends: datetime, there_since: datetime | None, now: datetime
) -> datetime | None:
    """When to look at the step next; None when its time is over.

    Args:
        limit_seconds: What it gets with its provider connected.
        patience_ends: When waiting for the provider ends.
        there_since: Since when the step has had a connected provider; None: it is away.
        now: The time.
    """
    if there_since is None:
        # Its return needs no look: the command is sent, and its result calls.
        later = now + timedelta(seconds=AWAY_LOOK_SECONDS)
        return min(later, patience_ends) if now < patience_ends else None
    own = there_since + timedelta(seconds=limit_seconds)
    return min(now + timedelta(seconds=PATIENT_LOOK_SECONDS), own) if now < own else None


def waits_in_vain(steps: Sequence[Step], now: datetime) -> bool:
    """Whether all of these running steps wait, as long as it takes, for providers that are away."""
    return all(step.patience_seconds > 0 for step in steps) and wait_for_the_away(steps, now)


def wait_for_the_away(steps: Sequence[Step], now: datetime) -> bool:
    """Whether all of these running steps are for providers that are away."""
    return all(
        step.provider is not None and _connected_since(step.provider, now) is None for step in steps
    )


def _later(first: datetime, second: datetime | None) -> datetime | None:
    return None if second is None else max(first, second)


def _connected_since(provider: Provider, now: datetime) -> datetime | None:
    lease_seconds = settings.CONFIGURATION.lease_seconds
    if not is_connected(provider, now, lease_seconds):
        return None
    return provider.connected_at or provider.registered_at
