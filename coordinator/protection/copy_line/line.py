"""The line of first copies in the database: who comes, whose turn it is, who goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection
from django.db.models import Max, Window
from django.db.models.functions import RowNumber

from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import QueueName, enqueue, request_advance
from coordinator.protection.copy_line.rules import (
    CopyHosts,
    Limits,
    Place,
    Side,
    WaitingCopy,
    decide_turns,
)
from coordinator.protection.models import FirstCopy, ProtectedItem
from coordinator.protection.models.first_copies import RUNNING, WAITING

log = structlog.get_logger(__name__)

ALL_BUT_ITEM = [
    "vault",
    "job_id",
    "request",
    "joined_at",
    "since",
    "passed_at",
    "source_host",
    "recovery_host",
    "source_place",
    "recovery_place",
    "granted_at",
    "begun_at",
    "ended_at",
    "waits_for",
]

GRANT_TASK = "protection.grant_first_copies"
# Of the advisory locks that one line a vault takes; any number that nothing else uses.
LOCK_SPACE = 0x0C09


def limits() -> Limits:
    """How many first copies a host takes at once, as configured."""
    configuration = settings.CONFIGURATION
    return Limits(
        configuration.first_copies_per_source_host, configuration.first_copies_per_recovery_host
    )


def join(item: ProtectedItem, job_id: UUID, request: str, since: datetime, now: datetime) -> None:
    """Puts an item in line, and begins its copy at once when there is room and no earlier one.

    Args:
        item: Locked; both its hosts are known.
        job_id: The job that waits.
        request: Equal for items that were asked for together.
        since: When it takes part: now, or a later time.
        now: The time.

    Idempotent: An item that is in line again begins anew.
    """
    copy = FirstCopy(
        item=item,
        vault_id=item.vault_id,
        job_id=job_id,
        request=request,
        joined_at=now,
        since=since,
        source_host=item.primary_host.lower(),
        recovery_host=item.recovery_host.lower(),
        waits_for="" if since <= now else starts_at(since),
    )
    FirstCopy.objects.bulk_create(
        [copy], update_conflicts=True, unique_fields=["item"], update_fields=ALL_BUT_ITEM
    )
    if since <= now:
        _lock(item.vault_id)
        running = _running(item.vault_id)
        hosts = CopyHosts(item.primary_host.lower(), item.recovery_host.lower())
        if _has_room(hosts, running):
            # The engine looks at this job's own turn in the same breath.
            for given in _grant(item.vault_id, running, now) - {job_id}:
                request_advance(given)


def grant(now: datetime, vault_id: str) -> None:
    """Begins the copies of a vault whose turn it is.

    Idempotent. Whoever calls it at the same time waits: the places of a host are given one after
    the other, and the database refuses to give one twice.
    """
    _lock(UUID(vault_id))
    for job_id in _grant(UUID(vault_id), _running(UUID(vault_id)), now):
        request_advance(job_id)


def start_now(item: ProtectedItem, now: datetime) -> Job:
    """Has an item whose first copy waits for a time of day take part in the line now.

    Args:
        item: Any state; its row need not be locked.
        now: The time.

    Returns:
        The job that waits.

    Raises:
        RefusedError: OperationNotAllowed, status 409: it waits for no time.

    Idempotent: Asked twice it is in line once.
    """
    _lock(item.vault_id)
    copies = FirstCopy.objects.select_for_update(of=("self",)).filter(WAITING, item=item)
    copy = copies.first()
    if copy is None:
        raise refuse(
            "OperationNotAllowed",
            f"The first copy of {item.friendly_name} does not wait to begin.",
            causes=["It has begun already, or protection is not enabled."],
            action="Look at the item's state.",
            status=409,
        )
    if copy.since > now:
        copy.since = now
        copy.waits_for = ""
        copy.save(update_fields=["since", "waits_for"])
        for job_id in _grant(item.vault_id, _running(item.vault_id), now) | {copy.job_id}:
            request_advance(job_id)
    return Job.objects.get(id=copy.job_id)


def leave(copies: Iterable[FirstCopy], now: datetime) -> None:
    """Takes copies out of line, or gives their places back; the next ones are seen to."""
    ended = list(copies)
    if not ended:
        return
    FirstCopy.objects.filter(id__in=[copy.id for copy in ended]).update(ended_at=now)
    ask_for_turns({copy.vault_id for copy in ended if copy.granted_at is not None}, now)


def ask_for_turns(vault_ids: Iterable[UUID], now: datetime) -> None:
    """Has a worker see to the line of vaults in which somebody waits, soon."""
    wanted = sorted(set(vault_ids))
    waiting = FirstCopy.objects.filter(WAITING, vault_id__in=wanted, since__lte=now)
    for vault_id in sorted(set(waiting.values_list("vault_id", flat=True))) if wanted else ():
        enqueue(GRANT_TASK, QueueName.REPLICATION, str(vault_id), now=now)


def starts_at(moment: datetime) -> str:
    """For people, about a copy that waits for a time."""
    return f"First copy begins at {moment:%Y-%m-%d %H:%M:%S} UTC"


def waiting_copies(
    vault_id: UUID, now: datetime, *, most_alike: int | None = None
) -> list[WaitingCopy]:
    """Copies of a vault that are in line.

    Args:
        vault_id: The vault.
        now: The time.
        most_alike: So many of one request between the same hosts, the first ones: no more than a
            host takes can have their turn now, and a line of hundreds is decided upon with each
            copy that ends. None: all.
    """
    rows = FirstCopy.objects.filter(WAITING, vault_id=vault_id, since__lte=now)
    if most_alike is not None:
        alike = Window(
            RowNumber(),
            partition_by=["request", "source_host", "recovery_host"],
            order_by=["since", "id"],
        )
        rows = rows.annotate(number=alike).filter(number__lte=most_alike)
    columns = ("id", "request", "since", "source_host", "recovery_host", "passed_at")
    return [
        WaitingCopy(key, request, since, CopyHosts(source, recovery), passed_at)
        for key, request, since, source, recovery, passed_at in rows.values_list(*columns)
    ]


def running_hosts(vault_id: UUID) -> list[CopyHosts]:
    """Hosts of the copies of a vault that run."""
    return [hosts for hosts, _, _ in _running(vault_id)]


def served(requests: Collection[str]) -> Mapping[str, datetime]:
    """When a copy of each request last began; nothing for a single one."""
    if len(requests) <= 1:
        # Nobody to take turns with.
        return {}
    rows = FirstCopy.objects.filter(request__in=requests, granted_at__isnull=False)
    return dict(rows.values_list("request").annotate(last=Max("granted_at")))


Running = Sequence[tuple[CopyHosts, int, int]]


def _lock(vault_id: UUID) -> None:
    """Makes decisions about one vault's line come one after the other, until the commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK_SPACE, str(vault_id)]
        )


def _running(vault_id: UUID) -> Running:
    rows = FirstCopy.objects.filter(RUNNING, vault_id=vault_id)
    columns = ("source_host", "recovery_host", "source_place", "recovery_place")
    return [(CopyHosts(s, r), sp, rp) for s, r, sp, rp in rows.values_list(*columns)]


def _has_room(hosts: CopyHosts, running: Running) -> bool:
    bounds = limits()
    sends = sum(one.source == hosts.source for one, _, _ in running)
    receives = sum(one.recovery == hosts.recovery for one, _, _ in running)
    return sends < bounds.source and receives < bounds.recovery


def _grant(vault_id: UUID, running: Running, now: datetime) -> set[UUID]:
    """Gives turns; returns the jobs that have one now."""
    waiting = waiting_copies(vault_id, now, most_alike=limits().source)
    if not waiting:
        return set()
    turns = decide_turns(
        waiting,
        [hosts for hosts, _, _ in running],
        served({copy.request for copy in waiting}),
        limits(),
        now,
    )
    if turns.passed:
        FirstCopy.objects.filter(id__in=turns.passed).update(passed_at=now)
    free = _FreePlaces(running)
    # A row that somebody holds is just leaving, or is seen to by the next decision.
    rows = FirstCopy.objects.select_for_update(skip_locked=True, of=("self",)).filter(WAITING)
    found = rows.in_bulk(turns.start)
    begun = [found[key] for key in turns.start if key in found]
    for copy in begun:
        _begin(copy, free, now)
    return {copy.job_id for copy in begun}


def _begin(copy: FirstCopy, free: _FreePlaces, now: datetime) -> None:
    copy.granted_at = now
    copy.waits_for = ""
    copy.source_place = free.take((Side.SOURCE, copy.source_host))
    copy.recovery_place = free.take((Side.RECOVERY, copy.recovery_host))
    copy.save(update_fields=["granted_at", "waits_for", "source_place", "recovery_place"])
    log.info(
        "first_copy.turn_given",
        vault_id=str(copy.vault_id),
        item_id=str(copy.item_id),
        job_id=str(copy.job_id),
        waited_seconds=(now - copy.since).total_seconds(),
    )


class _FreePlaces:
    """Numbers of the free places of hosts, handed out lowest first."""

    def __init__(self, running: Running) -> None:
        self._taken: set[tuple[Place, int]] = set()
        for hosts, source_place, recovery_place in running:
            source, recovery = hosts.places
            self._taken |= {(source, source_place), (recovery, recovery_place)}

    def take(self, place: Place) -> int:
        number = 0
        while (place, number) in self._taken:
            number += 1
        self._taken.add((place, number))
        return number
