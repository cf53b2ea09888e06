"""Running recovery plans: every operation of the failover family as one job of the whole plan."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.conf import settings

from coordinator.fabrics.models import Fabric
from coordinator.fabrics.queries import is_connected, provider_for_fabric
from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.protection.services import RequestOrigin
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.dry_run.history import with_history
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.queries import load_plan, plan_lock
from coordinator.recovery.plans.records import PlanRecord
from coordinator.recovery.plans.runs.machines import (
    FRIENDLY_NAMES,
    SCENARIOS,
    RunMachines,
    machines_of_run,
)
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.runs.planner import plan_run
from coordinator.recovery.plans.runs.requests import RunRequest, RunServer
from coordinator.recovery.plans.runs.testing import TESTS
from coordinator.recovery.plans.services import TARGET_TYPE
from coordinator.recovery.prepared import enter_all

__all__ = ["RunOptions", "run_plan"]

log = structlog.get_logger(__name__)


def run_plan(plan: RecoveryPlan, options: RunOptions, origin: RequestOrigin, now: datetime) -> Job:
    """Begins an operation of all machines of a plan that can take part.

    The job is of the plan; in it each machine has a job of its own, as if the operation had been
    asked for it alone, with its own locks and end.

    Args:
        plan: The plan.
        options: Which operation, and how.
        origin: Who asks.
        now: Time of the request.

    Returns:
        The plan's job, or the one that the same client request began before.

    Raises:
        RefusedError: 532 (409) while a job runs on the plan or on a machine that takes part, which
            the message names; RecoveryPlanEmpty, RecoveryPlanDirectionNeeded,
            FailoverDirectionNotPossible, RecoveryPlanMachinesNotReady; RecoveryPlanChanged when
            it was saved, or deleted, in this very moment; ProviderTooOld; whatever the preparation
            of a machine is refused with.

    Idempotent: By the origin's client request id.

    Source: SPEC RP-1..RP-5.
    """
    scenario = SCENARIOS[options.operation]
    begun = begun_job(plan.vault_id, scenario, str(plan.id), origin.client_request_id)
    if begun is not None:
        return begun
    refuse_if_busy(plan_lock(plan.id))
    record = load_plan(plan)
    found = machines_of_run(record, options, now)
    job = begin_job(_begin(plan, run_request(plan, record, found, options, now), origin), now)
    if job.created_at != now:
        # The same request has come in twice at the same moment; the other one has begun it.
        return job
    _refuse_if_changed(record)
    if options.operation in TESTS:
        found.testing.enter(found.operations)
    else:
        enter_all(found.operations)
    log.info(
        "plan.run_begun",
        vault_id=str(plan.vault_id),
        plan_id=str(plan.id),
        plan=plan.name,
        job_id=str(job.id),
        operation=str(options.operation),
        machines=len(found.operations),
        skipped=len(found.machines) - len(found.operations),
    )
    return job


def _refuse_if_changed(seen: PlanRecord) -> None:
    """Refuses to run what is not the plan any more; its lock is held now, so it stays as it is.

    Raises:
        RefusedError: RecoveryPlanChanged, status 409.
    """
    revision = RecoveryPlan.objects.filter(id=seen.id).values_list("revision", flat=True).first()
    if revision != seen.revision:
        how = "deleted" if revision is None else "saved"
        raise refuse(
            "RecoveryPlanChanged",
            f"{seen.name} was {how} while its run was being prepared; nothing was begun.",
            causes=["Somebody changed the plan in this very moment."],
            action="Look at the plan as it is now, then run it.",
            status=409,
        )


def _begin(plan: RecoveryPlan, request: RunRequest, origin: RequestOrigin) -> BeginJob:
    return BeginJob(
        vault_id=plan.vault_id,
        scenario=SCENARIOS[request.operation],
        friendly_name=FRIENDLY_NAMES[request.operation],
        target=JobTarget(TARGET_TYPE, str(plan.id), plan.name, origin.target_resource),
        graph=with_history(plan.vault_id, plan_run(request)),
        locks=(plan_lock(plan.id),),
        queue=QueueName.FAILOVER,
        started_by=origin.started_by,
        client_request_id=origin.client_request_id,
        correlation_id=origin.correlation_id,
        arguments={
            "plan_id": str(plan.id),
            "plan": plan.name,
            "revision": plan.revision,
            "operation": str(request.operation),
            "direction": "" if request.direction is None else str(request.direction),
        },
    )


def run_request(
    plan: RecoveryPlan,
    record: PlanRecord,
    found: RunMachines,
    options: RunOptions,
    now: datetime,
) -> RunRequest:
    """What the planner of a run is given."""
    return RunRequest(
        plan=record,
        operation=options.operation,
        direction=found.choice.direction,
        source_site_operations=options.source_site_operations,
        machines=found.machines,
        environment=found.testing.environment,
        left_out=found.left_out,
        servers={
            ActiveLocation.PRIMARY: run_server(plan.primary_fabric, now),
            ActiveLocation.RECOVERY: run_server(plan.recovery_fabric, now),
        },
    )


def run_server(fabric: Fabric, now: datetime) -> RunServer:
    """A server as a run needs it."""
    provider = provider_for_fabric(fabric.id)
    lease_seconds = settings.CONFIGURATION.lease_seconds
    return RunServer(
        name=fabric.friendly_name,
        provider_id="" if provider is None else str(provider.id),
        connected=provider is not None and is_connected(provider, now, lease_seconds),
    )
