"""How many jobs and how much work there are, over all vaults: for metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Min, Q

from coordinator.jobs.models import Command, Job, OutboxMessage
from coordinator.jobs.states import UNFINISHED_COMMANDS, UNFINISHED_JOBS

# Jobs that ended count for so long after they began.
RECENT = timedelta(hours=24)


def jobs_by_state(now: datetime) -> Iterable[tuple[UUID, str, str, int]]:
    """Vault, scenario, state and number of the jobs that have not ended or began lately.

    Parts of a recovery plan's job are not counted beside it.
    """
    wanted = Q(state__in=UNFINISHED_JOBS) | Q(created_at__gte=now - RECENT)
    rows = Job.objects.filter(wanted, root=None).order_by()
    return rows.values_list("vault_id", "scenario", "state").annotate(count=Count("id"))


def waiting_messages() -> Iterable[tuple[str, int, datetime]]:
    """Queue, number and oldest time of the work that was promised and is not done."""
    rows = OutboxMessage.objects.order_by().values_list("queue")
    return rows.annotate(count=Count("id"), oldest=Min("created_at"))


def open_commands() -> Iterable[tuple[UUID, str, int]]:
    """Vault, state and number of the commands that have no result."""
    rows = Command.objects.filter(state__in=UNFINISHED_COMMANDS).order_by()
    return rows.values_list("vault_id", "state").annotate(count=Count("sequence"))
