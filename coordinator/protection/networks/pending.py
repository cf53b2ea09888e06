"""Replicas whose adapters are still to be connected: a job for each, once no other works on it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.failures import RefusedError
from coordinator.jobs.queries import running_jobs_for
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
)
from coordinator.protection.models import ItemNetworks
from coordinator.protection.networks.attaching import (
    changes_of,
    plan_replica,
    put_off,
)
from coordinator.protection.networks.failover import failover_networks
from coordinator.protection.networks.failover_planner import plan_way_back
from coordinator.protection.networks.mapping import with_fabrics
from coordinator.protection.networks.planner import (
    ATTACH_FRIENDLY_NAME,
    ATTACH_SCENARIO,
    plan_attachment,
)
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.protection.transitions import item_lock

log = structlog.get_logger(__name__)

ATTACH_TASK = "protection.attach_networks"
STARTED_BY = "Site Recovery"
# A replica exists and nothing but a job changes its side.
WITH_REPLICA = frozenset({ProtectionState.PROTECTED})
# So many marked replicas are looked at in one round.
ROUND_LIMIT = 50


def attach_pending(now: datetime) -> None:
    """Begins a job for each marked replica that no other job works on.

    Called every few seconds; replicas that cannot be connected now keep their mark, and let others
    go first.
    """
    marked = ItemNetworks.objects.filter(
        pending=True, next_attempt_at__lte=now, item__state__in=WITH_REPLICA
    ).order_by("next_attempt_at")
    item_ids = list(marked.values_list("item_id", flat=True)[:ROUND_LIMIT])
    busy = running_jobs_for([item_lock(item_id) for item_id in item_ids])
    for item_id in item_ids:
        if item_lock(item_id) in busy:
            continue
        try:
            with transaction.atomic():
                _attach(item_id, now)
        except RefusedError as error:
            put_off(item_id, now)
            log.info("networks.put_off", item_id=str(item_id), code=error.failure.code)


def _attach(item_id: UUID, now: datetime) -> None:
    item = with_fabrics().get(id=item_id)
    if item.active_location == ActiveLocation.PRIMARY:
        machine = plan_replica(item)
        graph = plan_attachment(machine) if machine.adapters else None
    else:
        plan = failover_networks(item).way_back
        graph = None if plan is None else plan_way_back(plan, changes_of(item.id))
    if graph is None:
        ItemNetworks.objects.filter(item_id=item_id).update(pending=False)
        return
    begin_job(
        BeginJob(
            vault_id=item.vault_id,
            scenario=ATTACH_SCENARIO,
            friendly_name=ATTACH_FRIENDLY_NAME,
            target=JobTarget("ProtectionEntity", str(item.id), item.friendly_name),
            graph=graph,
            locks=(item_lock(item.id),),
            queue=QueueName.REPLICATION,
            started_by=STARTED_BY,
            arguments={"item_id": str(item.id)},
        ),
        now,
    )
