"""Commands as the engine writes them: many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from coordinator.jobs.statements import run

INSERT = """
INSERT INTO jobs_command (
    command_id, vault_id, provider_id, step_id, root_id, verb, slot, priority, urgency, body,
    created_at, state
)
SELECT *, 'pending' FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::bigint[], %s::uuid[], %s::text[], %s::text[],
    %s::smallint[], %s::float8[], %s::bytea[], %s::timestamptz[]
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A command to be written; see the columns of `Command`."""

    command_id: UUID
    vault_id: UUID
    provider_id: UUID
    step_id: int
    root_id: UUID
    verb: str
    slot: str
    priority: int
    urgency: float
    body: bytes
    created_at: datetime


def write_commands(commands: Sequence[NewCommand]) -> None:
    """Writes new commands, for sessions to take in this order."""
    run(INSERT, columns(commands))


def columns(commands: Sequence[NewCommand]) -> list[Any]:
    """What `INSERT` takes."""
    return [
        [command.command_id for command in commands],
        [command.vault_id for command in commands],
        [command.provider_id for command in commands],
        [command.step_id for command in commands],
        [command.root_id for command in commands],
        [command.verb for command in commands],
        [command.slot for command in commands],
        [command.priority for command in commands],
        [command.urgency for command in commands],
        [command.body for command in commands],
        [command.created_at for command in commands],
    ]
