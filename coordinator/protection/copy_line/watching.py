"""Seeing first copies end, and keeping the line moving whatever was lost."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from coordinator.fabrics.models import VirtualMachine
from coordinator.jobs.services import tell_waiting_jobs
from coordinator.protection.copy_line.line import (
    GRANT_TASK,
    ask_for_turns,
    leave,
    limits,
    running_hosts,
    served,
    waiting_copies,
)
from coordinator.protection.copy_line.rules import copy_is_over, described, positions
from coordinator.protection.models import FirstCopy
from coordinator.protection.models.first_copies import RUNNING, WAITING
from coordinator.protection.states import ActiveLocation

WATCH_TASK = "protection.watch_first_copies"
WATCH_EVERY = timedelta(seconds=10)
TELL = """
UPDATE protection_firstcopy AS copy SET waits_for = told.text
FROM unnest(%s::bigint[], %s::text[]) AS told (id, text)
WHERE copy.id = told.id AND copy.granted_at IS NULL AND copy.waits_for <> told.text
"""

__all__ = ["GRANT_TASK", "WATCH_EVERY", "WATCH_TASK", "copies_reported", "watch_first_copies"]


def copies_reported(item_ids: Collection[UUID], now: datetime) -> None:
    """Gives back the places of those of these items whose copy is over, by what hosts said last.

    Args:
        item_ids: Items of which something new was reported.
        now: The time.

    Idempotent. Costs one query when none of them copies.
    """
    _end(FirstCopy.objects.filter(RUNNING, item_id__in=item_ids), now)


def watch_first_copies(now: datetime) -> None:
    """Does what no event may have called for: ends copies, gives turns, says who stands where.

    Also the way in which copies begin that wait for a time of day. Idempotent.

    Source: SPEC RE-1.
    """
    _end(FirstCopy.objects.filter(RUNNING), now)
    due = FirstCopy.objects.filter(WAITING, since__lte=now)
    vault_ids = sorted(set(due.values_list("vault_id", flat=True)))
    ask_for_turns(vault_ids, now)
    for vault_id in vault_ids:
        _tell_positions(vault_id, now)


def _end(copies: QuerySet[FirstCopy], now: datetime) -> None:
    gone = VirtualMachine.objects.filter(
        fabric_id=OuterRef("item__pairing__primary_fabric_id"), vm_id=OuterRef("item__vm_id")
    )
    rows = copies.filter(begun_at__isnull=False).annotate(
        machine_known=Exists(gone), machine_there=Exists(gone.filter(gone_at=None))
    )
    leave((copy for copy in rows.prefetch_related("item__sides") if _is_over(copy)), now)


def _is_over(copy: FirstCopy) -> bool:
    # Annotated by the query.
    if copy.machine_known and not copy.machine_there:  # type: ignore[attr-defined]
        return True
    side = copy.item.side(ActiveLocation.PRIMARY)
    if side is None or copy.begun_at is None:
        return False
    return copy_is_over(side.mode, side.state, side.observed_at - copy.begun_at)


def _tell_positions(vault_id: UUID, now: datetime) -> None:
    """Writes what each copy in line waits for, on its row and on its job."""
    waiting = waiting_copies(vault_id, now)
    standing = positions(
        waiting,
        running_hosts(vault_id),
        served({copy.request for copy in waiting}),
        limits(),
    )
    texts = {key: described(position) for key, position in standing.items()}
    jobs = FirstCopy.objects.filter(WAITING, id__in=texts).values_list("id", "job_id")
    # The job first, as whoever takes an item out of line.
    tell_waiting_jobs({job_id: texts[key] for key, job_id in jobs})
    with connection.cursor() as cursor:
        cursor.execute(TELL, [list(texts), list(texts.values())])
