"""Mapping networks, and connecting the replicas that are there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.queries import running_jobs_for
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.protection.models import ItemNetworks, NetworkMapping, ProtectedItem
from coordinator.protection.networks.attaching import (
    mark_pending,
    plan_replica,
)
from coordinator.protection.networks.known import KnownSites
from coordinator.protection.networks.mapping import (
    MappingRequest,
    find_network,
    items_on,
    known_mapping,
    refuse_unavailable,
    write_mapping,
)
from coordinator.protection.networks.pending import WITH_REPLICA
from coordinator.protection.networks.planner import (
    FRIENDLY_NAME,
    SCENARIO,
    UNMAP_FRIENDLY_NAME,
    UNMAP_SCENARIO,
    MachineNetworks,
    plan_mapping,
    plan_unmapping,
)
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.states import ActiveLocation
from coordinator.protection.transitions import item_lock

log = structlog.get_logger(__name__)

# So many replicas are connected by the job of a mapping itself, which holds all of them until it
# ends; the others are connected one by one, and can fail over meanwhile.
MAPPING_LIMIT = 100
# A lock seen free and found taken: so often the free ones are looked for again.
LOCK_ROUNDS = 3


def map_networks(
    request: MappingRequest, origin: RequestOrigin, now: datetime
) -> tuple[NetworkMapping, Job]:
    """Maps a network, or changes what it is mapped to, and connects existing replicas.

    Replicas that another job works on are connected when that job has ended.

    Returns:
        The mapping and the job NetworkPairing.

    Raises:
        RefusedError: InvalidResourceName, NetworkNotFound (404), NetworkMappedToItself,
            NetworkNotAvailable, NetworkAlreadyMapped (409), NameInUse (409), or 532 while a job
            works on the mapping.

    Idempotent: By the origin's client request id.

    Source: SPEC NW-1, NW-2, NW-3.
    """
    check_resource_name(request.name)
    source = find_network(request.source_fabric, request.source_network_id, "networkName")
    target = find_network(request.target_fabric, request.target_network_id, "recoveryNetworkId")
    known = known_mapping(request)
    if known is not None:
        begun = begun_job(known.vault_id, SCENARIO, str(known.id), origin.client_request_id)
        if begun is not None:
            return known, begun
        refuse_if_busy(mapping_lock(known.id))
    refuse_unavailable(request, source, target)
    mapping = write_mapping(request, known, source, target, now)
    items = items_on(mapping)
    mark_pending([item.id for item in items], now)
    job = _begin(mapping, items, origin, now)
    log.info(
        "network.mapped",
        vault_id=str(mapping.vault_id),
        source=mapping.source_network,
        target=mapping.target_network,
        replicas=len(items),
    )
    return mapping, job


def unmap_networks(mapping: NetworkMapping, origin: RequestOrigin, now: datetime) -> Job:
    """Forgets a mapping; what is attached stays as it is until the next change.

    Raises:
        RefusedError: 532 while a job works on the mapping.

    Source: SPEC NW-9.
    """
    refuse_if_busy(mapping_lock(mapping.id))
    job = begin_job(
        BeginJob(
            vault_id=mapping.vault_id,
            scenario=UNMAP_SCENARIO,
            friendly_name=UNMAP_FRIENDLY_NAME,
            target=_target(mapping, origin),
            graph=plan_unmapping(),
            locks=(mapping_lock(mapping.id),),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
        ),
        now,
    )
    NetworkMapping.objects.filter(id=mapping.id).delete()
    return job


def mapping_lock(mapping_id: UUID) -> str:
    """Key of the lock that the one operation on a mapping holds."""
    return f"network-mapping:{mapping_id}"


def _begin(
    mapping: NetworkMapping,
    items: Sequence[ProtectedItem],
    origin: RequestOrigin,
    now: datetime,
) -> Job:
    """The job, with the replicas that are free; the others keep their mark and come later."""

    def begin(free: Sequence[ProtectedItem]) -> Job:
        with transaction.atomic():
            sites = KnownSites()
            only = [mapping.source_network_id]
            # Steps run in this order, and items are held in the order of their ids.
            in_order = sorted(free, key=lambda item: item.id)
            machines = [plan_replica(item, only, sites) for item in in_order]
            done = [UUID(each.item_id) for each in machines if not each.adapters]
            ItemNetworks.objects.filter(item_id__in=done).update(pending=False)
            return begin_job(_job(mapping, machines, origin), now)

    return _with_free(items, begin)


def _with_free(
    items: Sequence[ProtectedItem], begin: Callable[[Sequence[ProtectedItem]], Job]
) -> Job:
    ready = [
        item
        for item in items
        if item.state in WITH_REPLICA and item.active_location == ActiveLocation.PRIMARY
    ]
    for _ in range(LOCK_ROUNDS):
        busy = running_jobs_for([item_lock(item.id) for item in ready])
        ready = [item for item in ready if item_lock(item.id) not in busy][:MAPPING_LIMIT]
        try:
            return begin(ready)
        except RefusedError as error:
            # Another job took one of them in this very moment.
            if not ready or error.failure.code != "532":
                raise
    return begin([])


def _job(
    mapping: NetworkMapping, machines: Sequence[MachineNetworks], origin: RequestOrigin
) -> BeginJob:
    connected = [machine for machine in machines if machine.adapters]
    return BeginJob(
        vault_id=mapping.vault_id,
        scenario=SCENARIO,
        friendly_name=FRIENDLY_NAME,
        target=_target(mapping, origin),
        graph=plan_mapping(str(mapping.id), connected),
        locks=(
            mapping_lock(mapping.id),
            *(item_lock(UUID(machine.item_id)) for machine in connected),
        ),
        queue=QueueName.REPLICATION,
        started_by=origin.started_by,
        client_request_id=origin.client_request_id,
        correlation_id=origin.correlation_id,
        arguments={
            "affected_objects": {
                machine.name: f"{len(machine.adapters)} adapters" for machine in connected
            }
        },
    )


def _target(mapping: NetworkMapping, origin: RequestOrigin) -> JobTarget:
    return JobTarget("Network", str(mapping.id), mapping.source_network, origin.target_resource)
