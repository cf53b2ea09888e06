"""Looking at the servers of a plan or of a machine before it is failed over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from coordinator.fabrics.models import Fabric
from coordinator.jobs.models import Job
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job, begun_job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import RequestOrigin
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.dry_run.look_planner import (
    FRIENDLY_NAME,
    SCENARIO,
    ServerLook,
    plan_look,
)
from coordinator.recovery.machines import items_together
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.queries import load_plan
from coordinator.recovery.plans.records import PlanRecord, ScriptAction
from coordinator.recovery.plans.runs.services import run_server
from coordinator.recovery.plans.services import TARGET_TYPE
from coordinator.recovery.test_failover.choosing import Surroundings, replica_fabric


def look_for_plan(
    plan: RecoveryPlan, origin: RequestOrigin, now: datetime, *, network_id: str = ""
) -> Job:
    """Begins to look at the servers of a plan: everything there is, and all of its scripts.

    Args:
        plan: The plan.
        origin: Who asks.
        now: Time of the request.
        network_id: VMM's id of a VM network that a test would use; empty for none.

    Returns:
        The job; it changes nothing on the servers and holds nothing. A server that is not
        connected is left out, and the job says so.

    Idempotent: By the origin's client request id.

    Source: SPEC RP-6.
    """
    record = load_plan(plan)
    items = items_together(record.item_ids, now)
    target = JobTarget(TARGET_TYPE, str(plan.id), plan.name, origin.target_resource)
    fabrics = {
        ActiveLocation.PRIMARY: plan.primary_fabric,
        ActiveLocation.RECOVERY: plan.recovery_fabric,
    }
    pools = _pools(items.values(), network_id)
    servers = _servers(fabrics, pools, _paths(record), now)
    return _begin((plan.vault_id, target), servers, origin, now)


def look_for_machine(
    item: ProtectedItem, origin: RequestOrigin, now: datetime, *, network_id: str = ""
) -> Job:
    """Begins to look at the servers of a machine, as `look_for_plan` does.

    Idempotent: By the origin's client request id.

    Source: SPEC RP-6.
    """
    [fresh] = items_together([item.id], now).values()
    target = JobTarget(
        "ProtectionEntity", str(fresh.id), fresh.friendly_name, origin.target_resource
    )
    fabrics = {
        ActiveLocation.PRIMARY: fresh.pairing.primary_fabric,
        ActiveLocation.RECOVERY: fresh.pairing.recovery_fabric,
    }
    servers = _servers(fabrics, _pools([fresh], network_id), {}, now)
    return _begin((fresh.vault_id, target), servers, origin, now)


def _begin(
    about: tuple[UUID, JobTarget],
    servers: Sequence[ServerLook],
    origin: RequestOrigin,
    now: datetime,
) -> Job:
    vault_id, target = about
    begun = begun_job(vault_id, SCENARIO, target.id, origin.client_request_id)
    if begun is not None:
        return begun
    return begin_job(
        BeginJob(
            vault_id=vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=target,
            graph=plan_look(servers),
            queue=QueueName.INVENTORY,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
        ),
        now,
    )


def _servers(
    fabrics: Mapping[ActiveLocation, Fabric],
    pools: Mapping[UUID, Collection[str]],
    paths: Mapping[ActiveLocation, Sequence[str]],
    now: datetime,
) -> list[ServerLook]:
    """Each server once, with the sides it is."""
    sides: defaultdict[UUID, list[ActiveLocation]] = defaultdict(list)
    for side, fabric in fabrics.items():
        sides[fabric.id].append(side)
    found = []
    for fabric in {fabric.id: fabric for fabric in fabrics.values()}.values():
        server = run_server(fabric, now)
        why_not = ""
        if not server.provider_id:
            why_not = f"{server.name} has no provider in the vault."
        elif not server.connected:
            why_not = f"The provider of {server.name} is not connected."
        found.append(
            ServerLook(
                sides=tuple(sides[fabric.id]),
                name=server.name,
                fabric_id=str(fabric.id),
                provider_id=server.provider_id,
                why_not=why_not,
                pool_ids=tuple(sorted(pools.get(fabric.id, ()))),
                script_paths=tuple(
                    dict.fromkeys(path for side in sides[fabric.id] for path in paths.get(side, ()))
                ),
            )
        )
    return found


def _paths(record: PlanRecord) -> dict[ActiveLocation, list[str]]:
    """Of all scripts, whatever the plan is run as."""
    found: defaultdict[ActiveLocation, list[str]] = defaultdict(list)
    for placed in record.actions():
        if isinstance(placed.action, ScriptAction):
            found[placed.action.side].append(placed.action.path)
    return found


def _pools(items: Collection[ProtectedItem], network_id: str) -> dict[UUID, set[str]]:
    """By server the pools that addresses of replicas are of, or would come from."""
    around = Surroundings.of(items)
    found: defaultdict[UUID, set[str]] = defaultdict(set)
    for item in items:
        for adapter in around.adapters(item):
            if adapter.pool is not None:
                found[replica_fabric(item).id].add(adapter.pool.id)
        found[replica_fabric(item).id] |= around.pools_of_network(item, network_id)
    return found
