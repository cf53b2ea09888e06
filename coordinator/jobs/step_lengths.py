"""How long commands took that ended well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

# So many of the newest of each verb.
NEWEST_OF_VERB = 300

_QUERY = """
SELECT command.verb, command.slot, coalesce(command.path, ''), command.seconds,
    command.to_claim, command.to_take
FROM unnest(%(verbs)s::text[]) AS wanted (verb), LATERAL (
    SELECT
        command.verb, command.slot, command.sequence, step.inputs ->> 'path' AS path,
        extract(epoch FROM command.finished_at - command.claimed_at)::float8 AS seconds,
        extract(epoch FROM command.claimed_at - command.created_at)::float8 AS to_claim,
        extract(epoch FROM step.finished_at - command.finished_at)::float8 AS to_take
    FROM jobs_command AS command JOIN jobs_step AS step ON step.id = command.step_id
    WHERE command.vault_id = %(vault)s AND command.verb = wanted.verb
        AND command.claimed_at IS NOT NULL AND command.finished_at IS NOT NULL
        AND step.state = 'Succeeded'
    ORDER BY command.sequence DESC
    LIMIT %(most)s
) AS command
ORDER BY command.sequence DESC
"""


@dataclass(frozen=True)
class StepLength:
    """A command that ended well.

    Attributes:
        verb: Field of the wire's Command.
        slot: Of the host it worked on; empty when it took no place there.
        path: Of a script.
        seconds: From when the provider's session took it until its result came.
        to_claim_seconds: From when the engine wrote it until the session took it; of one with a
            slot, waiting for a place at the host is in it.
        to_take_seconds: From when its result came until the engine took that.
    """

    verb: str
    slot: str
    path: str
    seconds: float
    to_claim_seconds: float
    to_take_seconds: float


def step_lengths(vault_id: UUID, verbs: Collection[str]) -> list[StepLength]:
    """How long the newest commands of some verbs took in a vault, newest first."""
    values: dict[str, list[str] | UUID | int] = {
        "verbs": sorted(verbs),
        "vault": vault_id,
        "most": NEWEST_OF_VERB,
    }
    with connection.cursor() as cursor:
        cursor.execute(_QUERY, values)
        return [StepLength(*row) for row in cursor.fetchall()]
