"""Taking commands for a session, in one transaction with the check that it is still the one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from coordinator.fabrics.queries import current_fences
from coordinator.gateway.session_ends import (
    SUPERSEDED,
    UNREGISTERED,
    SessionEnd,
    SessionEndedError,
)
from coordinator.jobs.services import ClaimedCommand, claim_commands, commands_to_resend


def end_of(provider_id: UUID, fence: int, fences: Mapping[UUID, int]) -> SessionEnd | None:
    """Why a session must end, by the fences in the database; None: it is still the one."""
    newest = fences.get(provider_id)
    if newest is None:
        return UNREGISTERED
    return None if newest == fence else SUPERSEDED


def claim(provider_id: UUID, fence: int, now: datetime) -> list[ClaimedCommand]:
    """The next commands to send.

    Raises:
        SessionEndedError: The session is not the provider's any more; nothing was taken.
    """
    end = end_of(provider_id, fence, current_fences([provider_id]))
    if end is not None:
        raise SessionEndedError(end)
    return claim_commands(provider_id, fence, now)


def resend(provider_id: UUID, fence: int, now: datetime) -> list[ClaimedCommand]:
    """What earlier sessions sent and that has no result."""
    return commands_to_resend(provider_id, fence, now)
