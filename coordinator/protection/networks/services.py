"""Mapping networks, and connecting the replicas that are there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet

from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.failures import RefusedError, refuse
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
from coordinator.protection.models import ItemAdapter, ItemNetworks, NetworkMapping, ProtectedItem
from coordinator.protection.networks.attaching import (
    changes_of,
    mark_pending,
    plan_replica,
    put_off,
)
from coordinator.protection.networks.facts import Network
from coordinator.protection.networks.failover import failover_networks
from coordinator.protection.networks.failover_planner import plan_way_back
from coordinator.protection.networks.known import KnownSites, cloud_pairs, networks_of
from coordinator.protection.networks.planner import (
    ATTACH_FRIENDLY_NAME,
    ATTACH_SCENARIO,
    FRIENDLY_NAME,
    SCENARIO,
    UNMAP_FRIENDLY_NAME,
    UNMAP_SCENARIO,
    MachineNetworks,
    plan_attachment,
    plan_mapping,
    plan_unmapping,
)
from coordinator.protection.networks.rules import offer
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.protection.transitions import item_lock
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)

ATTACH_TASK = "protection.attach_networks"
STARTED_BY = "Site Recovery"
PAIRING = "Pairing"
# A replica exists and nothing but a job changes its side.
WITH_REPLICA = frozenset({ProtectionState.PROTECTED})
# So many marked replicas are looked at in one round.
ROUND_LIMIT = 50
# So many replicas are connected by the job of a mapping itself, which holds all of them until it
# ends; the others are connected one by one, and can fail over meanwhile.
MAPPING_LIMIT = 100
# A lock seen free and found taken: so often the free ones are looked for again.
LOCK_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class MappingRequest:
    """A network and the one that is to take its place.

    Attributes:
        name: The mapping's name in resource ids.
        source_network_id: VMM's id, as all ids of networks.
    """

    vault: Vault
    name: str
    source_fabric: Fabric
    source_network_id: str
    target_fabric: Fabric
    target_network_id: str


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
    source = _network(request.source_fabric, request.source_network_id, "networkName")
    target = _network(request.target_fabric, request.target_network_id, "recoveryNetworkId")
    known = _known(request)
    if known is not None:
        begun = begun_job(known.vault_id, SCENARIO, str(known.id), origin.client_request_id)
        if begun is not None:
            return known, begun
        refuse_if_busy(mapping_lock(known.id))
    _refuse_unavailable(request, source, target)
    mapping = _write(request, known, source, target, now)
    items = _items_on(mapping)
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
        ),
        now,
    )
    NetworkMapping.objects.filter(id=mapping.id).delete()
    return job


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


def mapping_lock(mapping_id: UUID) -> str:
    """Key of the lock that the one operation on a mapping holds."""
    return f"network-mapping:{mapping_id}"


def _attach(item_id: UUID, now: datetime) -> None:
    item = _with_fabrics().get(id=item_id)
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
        arguments={
            "affected_objects": {
                machine.name: f"{len(machine.adapters)} adapters" for machine in connected
            }
        },
    )


def _target(mapping: NetworkMapping, origin: RequestOrigin) -> JobTarget:
    return JobTarget("Network", str(mapping.id), mapping.source_network, origin.target_resource)


def _network(fabric: Fabric, network_id: str, field: str) -> Network:
    networks = networks_of(fabric.id)
    found = networks.get(network_id) or networks.get(network_id.lower())
    if found is None:
        raise refuse(
            "NetworkNotFound",
            f"{fabric.friendly_name} has no VM network with the id '{network_id}'.",
            causes=["The network was deleted in VMM.", "The id is another server's."],
            action="List the server's networks and use an id from the list.",
            status=404,
            field=field,
        )
    return found


def _refuse_unavailable(request: MappingRequest, source: Network, target: Network) -> None:
    if request.source_fabric.id == request.target_fabric.id and source.id == target.id:
        raise refuse(
            "NetworkMappedToItself",
            f"{source.name} cannot be mapped to itself.",
            causes=["On one server the recovery network must be another one."],
            action="Choose the network that the recovery cloud's machines are to use.",
            field="recoveryNetworkId",
        )
    pairs = cloud_pairs(request.vault.id, request.source_fabric.id, request.target_fabric.id)
    offered = offer(source, target, pairs)
    if offered.offered:
        return
    unpaired = (
        f"No cloud of {request.source_fabric.friendly_name} that uses {source.name} is paired with"
        f" one of {request.target_fabric.friendly_name}."
    )
    causes = [each.reason + "." for each in offered.pairs] or [unpaired]
    raise refuse(
        "NetworkNotAvailable",
        f"{source.name} cannot be mapped to {target.name}: no pair of clouds could use it.",
        causes=causes,
        action=f"Associate the logical network {target.logical_network} with the recovery cloud in"
        " VMM, or choose one of the networks that are offered.",
        status=409,
        field="recoveryNetworkId",
    )


def _known(request: MappingRequest) -> NetworkMapping | None:
    """The mapping of that name at the source network."""
    return NetworkMapping.objects.filter(
        source_fabric=request.source_fabric,
        source_network_id__iexact=request.source_network_id,
        name__iexact=request.name,
    ).first()


def _write(
    request: MappingRequest,
    known: NetworkMapping | None,
    source: Network,
    target: Network,
    now: datetime,
) -> NetworkMapping:
    # One at a time for a server, so that two requests do not map one network twice.
    Fabric.objects.select_for_update(no_key=True).get(id=request.source_fabric.id)
    other = NetworkMapping.objects.filter(
        source_fabric=request.source_fabric,
        source_network_id=source.id,
        target_fabric=request.target_fabric,
    )
    other = other if known is None else other.exclude(id=known.id)
    taken = other.first()
    if taken is not None:
        raise refuse(
            "NetworkAlreadyMapped",
            f"{source.name} is mapped to {taken.target_network} already, by the mapping"
            f" {taken.name}.",
            causes=["A network is mapped to one network of a server."],
            action=f"Change the mapping {taken.name}, or delete it first.",
            status=409,
        )
    mapping = known or NetworkMapping(
        vault=request.vault, name=request.name, source_fabric=request.source_fabric, created_at=now
    )
    mapping.target_fabric = request.target_fabric
    mapping.source_network_id, mapping.source_network = source.id, source.name
    mapping.target_network_id, mapping.target_network = target.id, target.name
    mapping.state, mapping.changed_at = PAIRING, now
    mapping.save()
    return mapping


def _with_fabrics() -> QuerySet[ProtectedItem]:
    return ProtectedItem.objects.select_related(
        "pairing__primary_cloud",
        "pairing__recovery_cloud",
        "pairing__primary_fabric",
        "pairing__recovery_fabric",
    )


def _items_on(mapping: NetworkMapping) -> list[ProtectedItem]:
    """Items whose machine has an adapter on the mapped network, on the side it runs on."""
    on_network = VirtualMachine.objects.filter(
        fabric_id=mapping.source_fabric_id,
        gone_at=None,
        details__adapters__contains=[{"vm_network_id": mapping.source_network_id}],
    )
    copies = set(on_network.values_list("vm_id", "host_fqdn"))
    forward = _with_fabrics().filter(
        pairing__primary_fabric=mapping.source_fabric,
        pairing__recovery_fabric=mapping.target_fabric,
        active_location=ActiveLocation.PRIMARY,
        vm_id__in={vm_id for vm_id, _ in copies},
    )
    found = [
        item
        for item in forward.order_by("friendly_name")
        if (item.vm_id, item.primary_host) in copies
    ]
    # A machine that was failed over: its replica is the original, which follows a mapping back.
    back = ItemAdapter.objects.filter(
        target_network_id=mapping.source_network_id,
        item__pairing__recovery_fabric=mapping.source_fabric,
        item__pairing__primary_fabric=mapping.target_fabric,
        item__active_location=ActiveLocation.RECOVERY,
    )
    reversed_items = _with_fabrics().filter(id__in=back.values("item_id"))
    return [*found, *reversed_items.order_by("friendly_name")]
