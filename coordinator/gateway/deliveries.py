"""Taking commands for a session, in one transaction with the check that it is still the one."""

from __future__ import annotations

from uuid import UUID

from coordinator.fabrics.queries import current_fences
from coordinator.jobs.services import claim_commands, commands_to_resend


def claim(provider_id: UUID, fence: int) -> list[bytes] | None:
    """The next commands to send; None when the session is not the provider's any more."""
    if current_fences([provider_id]).get(provider_id) != fence:
        return None
    return claim_commands(provider_id, fence)


def resend(provider_id: UUID, fence: int) -> list[bytes]:
    """What earlier sessions sent and that has no result."""
    return commands_to_resend(provider_id, fence)
