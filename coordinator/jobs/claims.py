"""Commands taken for a session to send: which are next, never more than a host may have at once.

Commands of one slot run at most so many at a time, over all jobs. A command holds its slot from
when it is claimed until its result is here; one that nobody waits for any more holds it for as long
as the provider may still be at it. Claims of one provider follow each other (an advisory lock), so
that sessions that overlap do not count the same free slot twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from opensiterecovery.provider.v1 import command_pb2

from coordinator.jobs.run import ANSWER_SECONDS
from coordinator.jobs.statements import fetch, run

ANSWER_TIME = timedelta(seconds=ANSWER_SECONDS)
# What a command gets that is sent again after its time: on the wire, none at all means a default.
# A provider that has never seen it answers that it was not begun.
LEAST_TIME = timedelta(milliseconds=1)
# How long after a command's time a provider may still be at it: it lets the verb look at what
# became of it, and then once more (overtime_seconds of its executor, twice), and things travel.
OVERTIME_SECONDS = 90
CLAIM_LIMIT = 20

# Before the statement that counts, so that it sees what the claim before this one has written.
LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"
# The end of a WITH, to lock the claims of providers on the way.
LOCK_SESSIONS = """
locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key
)
SELECT count(*) FROM locked
"""
# Nothing for a session that is not the newest any more: its gateway's next round ends it.
OF_NEWEST = """
    EXISTS (
        SELECT FROM fabrics_provider
        WHERE id = %(provider)s AND fence = %(fence)s AND unregistered_at IS NULL
    )
"""

# What an older session took and may never have delivered; it holds its slot already.
LOST = """
    SELECT sequence FROM jobs_command
    WHERE provider_id = %(provider)s AND state IN ('sent', 'acknowledged')
        AND sent_fence < %(fence)s
"""
# Index scans: the slots somebody waits for, in each as many of the first as there is room for, and
# what needs no slot.
NEXT = f"""
    {LOST}
    UNION ALL
    SELECT command.sequence
    FROM jobs_command AS command JOIN jobs_step AS step ON step.id = command.step_id
    WHERE command.provider_id = %(provider)s AND command.state = 'pending' AND command.slot = ''
        AND (step.deadline_at > %(in_time)s OR step.patience_seconds > 0)
    UNION ALL
    SELECT first.sequence
    FROM (
        SELECT DISTINCT slot FROM jobs_command
        WHERE provider_id = %(provider)s AND state = 'pending' AND slot <> ''
    ) AS wanted
    CROSS JOIN LATERAL (
        SELECT waiting.sequence FROM jobs_command AS waiting
        WHERE waiting.provider_id = %(provider)s AND waiting.state = 'pending'
            AND waiting.slot <> '' AND waiting.slot = wanted.slot
        ORDER BY waiting.priority, waiting.urgency DESC, waiting.sequence
        LIMIT greatest(0, %(slots)s - (
            SELECT count(*) FROM jobs_command AS busy
            WHERE busy.provider_id = %(provider)s AND busy.slot <> '' AND busy.slot = wanted.slot
                AND busy.claimed_at IS NOT NULL AND busy.result IS NULL
                AND (busy.state <> 'abandoned' OR busy.occupied_until > %(now)s)
        ))
    ) AS first
"""  # noqa: S608 - put together from the constant above
CLAIM = """
WITH chosen AS (
    SELECT sequence, step_id, state = 'pending' AS fresh FROM jobs_command
    WHERE sequence IN ({wanted}) AND state IN ('pending', 'sent', 'acknowledged') AND {only}
    ORDER BY state = 'pending', priority, urgency DESC, sequence
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE jobs_command AS command
SET sent_fence = %(fence)s,
    claimed_at = coalesce(command.claimed_at, %(now)s),
    occupied_until = %(now)s + make_interval(secs => step.time_limit_seconds + %(overtime)s),
    state = CASE WHEN chosen.fresh THEN 'sent' ELSE command.state END
FROM chosen JOIN jobs_step AS step ON step.id = chosen.step_id
WHERE command.sequence = chosen.sequence
RETURNING chosen.fresh, command.priority, command.urgency, command.sequence, command.command_id,
    command.root_id, command.body, command.slot, command.claimed_at, step.deadline_at,
    step.patience_seconds, step.time_limit_seconds
"""
CLAIM_NEXT = CLAIM.format(wanted=NEXT, only="true")
CLAIM_NEXT_OF_NEWEST = CLAIM.format(wanted=NEXT, only=OF_NEWEST)
CLAIM_LOST = CLAIM.format(wanted=LOST, only="true")


@dataclass(frozen=True, slots=True)
class ClaimedCommand:
    """A command to send.

    Attributes:
        root_id: The job whose advance takes its result.
        body: The wire's `Command`, serialized.
    """

    command_id: UUID
    root_id: UUID
    body: bytes


def claim_commands(
    provider_id: UUID, fence: int, now: datetime, limit: int = CLAIM_LIMIT
) -> list[ClaimedCommand]:
    """Takes the next commands for a session to send.

    First what an older session took and may never have delivered, so that nothing is lost when two
    sessions of one provider overlap; a session never takes from a newer one. Then those of the more
    urgent queue before others, those with the longest way before them to the end of their job
    before others, older ones before newer ones; of a slot never more than there is room for.

    A command that waited for its provider has only what is left of its time: nothing begins, or
    goes on, after its step was given up. One whose time is over and that was never sent stays
    unsent. A command that may wait for its provider, or for a slot of its host, gets its whole
    time, whenever that comes.

    Args:
        provider_id: The session's provider.
        fence: The session's fence: larger than those of all earlier sessions of the provider.
        now: The time.
        limit: How many at most.

    Returns:
        Those to send, in order; empty when nothing waits that may be sent.
    """
    with transaction.atomic():
        _lock_claims(provider_id)
        found = fetch(CLAIM_NEXT, _arguments(provider_id, fence, now, limit))
    return claimed(found, now)


def claim_statement(
    provider_id: UUID, fence: int, now: datetime, limit: int
) -> tuple[str, Mapping[str, Any]]:
    """What `claim_commands` does, as a statement for when the provider's claims are locked.

    Its rows are for `claimed`; there are none when the session is not the provider's newest.
    """
    return CLAIM_NEXT_OF_NEWEST, _arguments(provider_id, fence, now, limit)


def _lock_claims(provider_id: UUID) -> None:
    """Lets nobody else claim for this provider until the transaction ends."""
    run(LOCK, [[lock_key(provider_id)]])


def commands_to_resend(provider_id: UUID, fence: int, now: datetime) -> list[ClaimedCommand]:
    """Takes everything that earlier sessions sent and that has no result yet.

    For the start of a session. The agent answers a command it has finished with the recorded
    result and goes on with one it is at.

    Returns:
        In order; empty when nothing is open.
    """
    with transaction.atomic():
        _lock_claims(provider_id)
        found = fetch(CLAIM_LOST, _arguments(provider_id, fence, now, None))
    return claimed(found, now)


def _arguments(
    provider_id: UUID, fence: int, now: datetime, limit: int | None
) -> Mapping[str, Any]:
    return {
        "provider": provider_id,
        "fence": fence,
        "now": now,
        "limit": limit,
        "in_time": now + ANSWER_TIME,
        "slots": settings.CONFIGURATION.commands_per_host,
        "overtime": OVERTIME_SECONDS,
    }


def claimed(found: Iterable[tuple[Any, ...]], now: datetime) -> list[ClaimedCommand]:
    """The commands that a claim has found, in their order, each with the time it still has."""
    rows = sorted(found, key=_order)
    return [ClaimedCommand(row[4], row[5], _within_its_time(row, now)) for row in rows]


def lock_key(provider_id: UUID) -> int:
    """The advisory lock of a provider's claims."""
    return int.from_bytes(provider_id.bytes[:8], "big", signed=True)


def _order(row: tuple[Any, ...]) -> tuple[object, ...]:
    fresh, priority, urgency, sequence, *_ = row
    return (True, priority, -urgency, sequence) if fresh else (False, 0, 0.0, sequence)


def _within_its_time(row: tuple[Any, ...], now: datetime) -> bytes:
    """The command with no more time than its step still has, in whole seconds."""
    fresh, stored = row[0], row[6]
    slot, claimed_at, deadline_at, patience_seconds, limit_seconds = row[7:]
    body = bytes(stored)
    if patience_seconds or (slot and fresh):
        return body
    ends_at = claimed_at + timedelta(seconds=limit_seconds) if slot else deadline_at
    if ends_at is None:
        return body
    command = command_pb2.Command.FromString(body)
    answer_time = timedelta() if slot else ANSWER_TIME
    left = max(timedelta(seconds=ceil((ends_at - answer_time - now).total_seconds())), LEAST_TIME)
    if left >= command.time_limit.ToTimedelta():
        return body
    command.time_limit.FromTimedelta(left)
    return command.SerializeToString()
