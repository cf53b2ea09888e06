"""Keeping recovery plans: making, changing, cloning, restoring and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from coordinator.fabrics.models import Fabric
from coordinator.fabrics.queries import list_fabrics
from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.jobs.steps import Graph
from coordinator.protection.rules import check_resource_name
from coordinator.protection.services import RequestOrigin
from coordinator.recovery.models import PlanRevision, RecoveryPlan
from coordinator.recovery.plans.changes import changes, told
from coordinator.recovery.plans.drafts import FabricPair, GroupDraft, PlanLimits
from coordinator.recovery.plans.planner import (
    DELETE_FRIENDLY_NAME,
    DELETE_SCENARIO,
    SAVE_FRIENDLY_NAME,
    SAVE_SCENARIO,
    plan_deletion,
    plan_saving,
)
from coordinator.recovery.plans.queries import load_plan, plan_lock
from coordinator.recovery.plans.records import GroupRecord
from coordinator.recovery.plans.rules import read_groups
from coordinator.recovery.plans.saving import machine_facts, phases_of_revision, write_plan
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)

TARGET_TYPE = "RecoveryPlan"
PRECONDITION_FAILED = 412


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """A plan to make.

    Attributes:
        failover_deployment_model: ASR's word, which means nothing between two sites.
    """

    vault: Vault
    name: str
    primary_fabric: Fabric
    recovery_fabric: Fabric
    groups: Sequence[GroupDraft]
    failover_deployment_model: str = "NotApplicable"


def create_plan(
    request: PlanRequest, origin: RequestOrigin, now: datetime
) -> tuple[RecoveryPlan, Job]:
    """Makes a recovery plan.

    Args:
        request: What it is to be.
        origin: Who asked.
        now: The time.

    Returns:
        The plan and the job UpdateRecoveryPlan.

    Raises:
        RefusedError: InvalidResourceName (400); RecoveryPlanServerNotRegistered (409); NameInUse
            (409); or what `read_groups` refuses.

    Source: SPEC RP-1, RP-2.
    """
    check_resource_name(request.name)
    _hold_servers(request)
    item_ids = [item_id for group in request.groups for item_id in group.item_ids]
    machines = machine_facts(request.vault.id, item_ids)
    pair = _pair(request.primary_fabric, request.recovery_fabric)
    phases = read_groups(request.groups, pair, machines, plan_limits())
    try:
        with transaction.atomic():
            plan = RecoveryPlan.objects.create(
                vault=request.vault,
                name=request.name,
                primary_fabric=request.primary_fabric,
                recovery_fabric=request.recovery_fabric,
                failover_deployment_model=request.failover_deployment_model,
                created_at=now,
            )
    except IntegrityError as error:
        raise name_in_use(request.name) from error
    return plan, _save(plan, phases, origin, now)


def update_plan(
    plan: RecoveryPlan,
    groups: Sequence[GroupDraft],
    origin: RequestOrigin,
    now: datetime,
    *,
    expected_revision: int | None = None,
) -> Job:
    """Gives a plan other groups; the ones it had are kept as a revision.

    Machines that are protected no more leave the plan with this.

    Args:
        plan: As read.
        groups: All of them.
        origin: Who asked.
        now: The time.
        expected_revision: The revision the caller changed; None: whichever there is.

    Returns:
        The job UpdateRecoveryPlan.

    Raises:
        RefusedError: RecoveryPlanChanged (412); 532 while the plan runs; or what `read_groups`
            refuses. Nothing is changed then.

    Idempotent: By the origin's client request id.

    Source: SPEC RP-1, RP-2.
    """
    begun = begun_job(plan.vault_id, SAVE_SCENARIO, str(plan.id), origin.client_request_id)
    if begun is not None:
        return begun
    refuse_if_busy(plan_lock(plan.id))
    seen = _fresh(plan)
    if expected_revision is not None and seen.revision != expected_revision:
        raise _changed_meanwhile(seen, expected_revision)
    item_ids = [item_id for group in groups for item_id in group.item_ids]
    machines = machine_facts(seen.vault_id, item_ids, load_plan(seen).item_ids)
    pair = _pair(seen.primary_fabric, seen.recovery_fabric)
    return _save(seen, read_groups(groups, pair, machines, plan_limits()), origin, now)


def clone_plan(
    plan: RecoveryPlan, name: str, origin: RequestOrigin, now: datetime
) -> tuple[RecoveryPlan, Job]:
    """Makes a plan of the same groups, machines and actions.

    Machines that are protected no more are not taken along.

    Raises:
        RefusedError: InvalidResourceName (400), NameInUse (409).

    Source: SPEC RP-1; ASR had no such operation.
    """
    check_resource_name(name)
    try:
        with transaction.atomic():
            copy = RecoveryPlan.objects.create(
                vault_id=plan.vault_id,
                name=name,
                primary_fabric_id=plan.primary_fabric_id,
                recovery_fabric_id=plan.recovery_fabric_id,
                failover_deployment_model=plan.failover_deployment_model,
                created_at=now,
            )
    except IntegrityError as error:
        raise name_in_use(name) from error
    phases = tuple(_without_gone(group) for group in load_plan(plan).phases)
    return copy, _save(copy, phases, origin, now)


def restore_plan(
    plan: RecoveryPlan, revision: PlanRevision, origin: RequestOrigin, now: datetime
) -> Job:
    """Makes a plan what it was; what it is now is kept as a revision too.

    Raises:
        RefusedError: 532 while the plan runs.

    Idempotent: By the origin's client request id.
    """
    begun = begun_job(plan.vault_id, SAVE_SCENARIO, str(plan.id), origin.client_request_id)
    if begun is not None:
        return begun
    refuse_if_busy(plan_lock(plan.id))
    return _save(_fresh(plan), phases_of_revision(revision), origin, now)


def delete_plan(plan: RecoveryPlan, origin: RequestOrigin, now: datetime) -> Job:
    """Deletes a plan; its machines stay protected and in other plans.

    Returns:
        The job DeleteRecoveryPlan.

    Raises:
        RefusedError: 532 while the plan runs.
    """
    refuse_if_busy(plan_lock(plan.id))
    what = _What(DELETE_SCENARIO, DELETE_FRIENDLY_NAME, plan_deletion())
    job = _begin(plan, what, origin, now)
    log.info("plan.deleted", vault_id=str(plan.vault_id), plan_id=str(plan.id), plan=plan.name)
    RecoveryPlan.objects.filter(id=plan.id).delete()
    return job


def plan_limits() -> PlanLimits:
    """How large a plan may be, as configured."""
    configuration = settings.CONFIGURATION
    return PlanLimits(configuration.plan_groups, configuration.plan_machines)


def name_in_use(name: str) -> RefusedError:
    """The refusal of a second plan of one name."""
    return refuse(
        "NameInUse",
        f"The vault has a recovery plan called {name} already.",
        causes=["Names of plans are the same whatever their case."],
        action="Choose another name, or change that plan.",
        status=409,
        field="name",
    )


def _save(
    plan: RecoveryPlan, phases: tuple[GroupRecord, ...], origin: RequestOrigin, now: datetime
) -> Job:
    """Writes a plan as it was seen, or a new one, and begins the job that tells of it."""
    before = load_plan(plan)
    item_ids = {*before.item_ids, *(item for group in phases for item in group.item_ids)}
    machines = machine_facts(plan.vault_id, item_ids)
    names = {item_id: machine.name for item_id, machine in machines.items()}
    found = changes(before.phases if plan.revision else (), phases, names)
    what = _What(SAVE_SCENARIO, SAVE_FRIENDLY_NAME, plan_saving(), told(found))
    job = _begin(plan, what, origin, now)
    if job.created_at != now:
        # The same request has come in twice at the same moment; the other one has saved.
        return job
    _hold(plan)
    write_plan(plan, phases, machines, origin.started_by, now)
    log.info(
        "plan.saved",
        vault_id=str(plan.vault_id),
        plan_id=str(plan.id),
        plan=plan.name,
        revision=plan.revision,
        machines=sum(len(group.item_ids) for group in phases),
    )
    return job


@dataclass(frozen=True)
class _What:
    """What the two jobs differ in."""

    scenario: str
    friendly_name: str
    graph: Graph
    affected_objects: Mapping[str, str] = field(default_factory=dict)


def _begin(plan: RecoveryPlan, what: _What, origin: RequestOrigin, now: datetime) -> Job:
    return begin_job(
        BeginJob(
            vault_id=plan.vault_id,
            scenario=what.scenario,
            friendly_name=what.friendly_name,
            target=JobTarget(TARGET_TYPE, str(plan.id), plan.name, origin.target_resource),
            graph=what.graph,
            locks=(plan_lock(plan.id),),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={"affected_objects": dict(what.affected_objects)},
        ),
        now,
    )


def _fresh(plan: RecoveryPlan) -> RecoveryPlan:
    """The plan as it is now, with its servers.

    Raises:
        RefusedError: NotFound (404): it was deleted meanwhile.
    """
    rows = RecoveryPlan.objects.select_related("primary_fabric", "recovery_fabric")
    fresh = rows.filter(id=plan.id).first()
    if fresh is None:
        raise _deleted_meanwhile(plan)
    return fresh


def _hold(seen: RecoveryPlan) -> None:
    """Holds the plan's row, as it was seen, until the transaction ends.

    After the lock of the operation, as everything that changes plans takes them.

    Raises:
        RefusedError: NotFound (404), or RecoveryPlanChanged (412): another save has come and gone
            since the plan was read.
    """
    held = RecoveryPlan.objects.select_for_update(no_key=True).filter(id=seen.id).first()
    if held is None:
        raise _deleted_meanwhile(seen)
    if held.revision != seen.revision:
        raise _changed_meanwhile(held, seen.revision)


def _deleted_meanwhile(plan: RecoveryPlan) -> RefusedError:
    return refuse(
        "NotFound",
        f"The recovery plan {plan.name} was deleted.",
        causes=["Somebody deleted it in this very moment."],
        action="List the recovery plans.",
        status=404,
    )


def _hold_servers(request: PlanRequest) -> None:
    """Keeps both servers registered until the plan is there.

    Raises:
        RefusedError: RecoveryPlanServerNotRegistered (409).
    """
    wanted = sorted({request.primary_fabric.id, request.recovery_fabric.id})
    for fabric_id in wanted:
        Fabric.objects.select_for_update(of=("self",), no_key=True).get(id=fabric_id)
    registered = {fabric.id for fabric in list_fabrics(request.vault.id)}
    for fabric in (request.primary_fabric, request.recovery_fabric):
        if fabric.id not in registered:
            raise refuse(
                "RecoveryPlanServerNotRegistered",
                f"{fabric.friendly_name} is not registered in the vault any more.",
                causes=["The server was removed from the vault in this very moment."],
                action="Register the server again, then make the plan.",
                status=409,
            )


def _pair(primary: Fabric, recovery: Fabric) -> FabricPair:
    return FabricPair(
        primary_id=str(primary.id),
        recovery_id=str(recovery.id),
        primary_name=primary.friendly_name,
        recovery_name=recovery.friendly_name,
    )


def _without_gone(group: GroupRecord) -> GroupRecord:
    return replace(group, gone=())


def _changed_meanwhile(plan: RecoveryPlan, expected: int) -> RefusedError:
    return refuse(
        "RecoveryPlanChanged",
        f"{plan.name} was changed since revision {expected}: it is at revision {plan.revision}.",
        causes=["Somebody else saved the plan meanwhile."],
        action="Read the plan again, make the change in what it is now, and save that.",
        status=PRECONDITION_FAILED,
        field="If-Match",
    )
