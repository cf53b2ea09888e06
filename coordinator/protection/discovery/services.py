"""Looking at a server now: to refresh what the vault knows, or to check what it believes."""

from __future__ import annotations

from datetime import datetime

from coordinator.fabrics.models import Fabric
from coordinator.jobs.models import Job
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job, begun_job
from coordinator.jobs.steps import Graph
from coordinator.protection.discovery.mapping_belief import pools_with_reservations
from coordinator.protection.discovery.planner import (
    CONSISTENCY_FRIENDLY_NAME,
    CONSISTENCY_SCENARIO,
    REFRESH_FRIENDLY_NAME,
    REFRESH_SCENARIO,
    LookSnapshot,
    plan_consistency_check,
    plan_refresh,
)
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.requests import RequestOrigin


def refresh_server(fabric: Fabric, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that has a server looked at now, and waits until the vault has it all.

    Raises:
        RefusedError: Status 409: ProviderNotRegistered, ProviderNotConnected, ProviderTooOld, or
            532 while the server is being looked at.

    Idempotent: By the origin's client request id.

    Source: SPEC DI-2.
    """
    return _begin(fabric, (REFRESH_SCENARIO, REFRESH_FRIENDLY_NAME), origin, now)


def check_consistency(fabric: Fabric, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that reads a server anew and lists what differs from what the vault believes.

    Raises:
        RefusedError: As `refresh_server`.

    Idempotent: By the origin's client request id.

    Source: SPEC DI-4.
    """
    return _begin(fabric, (CONSISTENCY_SCENARIO, CONSISTENCY_FRIENDLY_NAME), origin, now)


def look_lock(fabric: Fabric) -> str:
    """Key of the lock that the one look at a server holds."""
    return f"look:{fabric.id}"


def _begin(fabric: Fabric, names: tuple[str, str], origin: RequestOrigin, now: datetime) -> Job:
    scenario, friendly_name = names
    begun = begun_job(fabric.vault_id, scenario, str(fabric.id), origin.client_request_id)
    if begun is not None:
        return begun
    provider = connected_provider_of(fabric, now)
    snapshot = LookSnapshot(str(fabric.id), str(provider.id), pools_with_reservations(fabric))
    graph: Graph = (
        plan_refresh(snapshot) if scenario == REFRESH_SCENARIO else plan_consistency_check(snapshot)
    )
    return begin_job(
        BeginJob(
            vault_id=fabric.vault_id,
            scenario=scenario,
            friendly_name=friendly_name,
            target=JobTarget(
                "Server", str(fabric.id), fabric.friendly_name, origin.target_resource
            ),
            graph=graph,
            locks=(look_lock(fabric),),
            queue=QueueName.INVENTORY,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={"fabric_id": str(fabric.id)},
        ),
        now,
    )
