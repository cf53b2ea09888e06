"""Reading recovery plans: by name, as records, by machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from coordinator.fabrics.models import Fabric
from coordinator.jobs.models import Job
from coordinator.jobs.queries import running_jobs_for
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import allowed_operations
from coordinator.protection.states import DrillState, ProtectionState
from coordinator.recovery.models import PlanMember, PlanRevision, RecoveryPlan
from coordinator.recovery.plans.changes import Change, changes
from coordinator.recovery.plans.documents import read_stored_groups, stored_phases
from coordinator.recovery.plans.records import GoneItem, GroupRecord, GroupType, PlanRecord
from coordinator.vaults.services import VaultContent


@dataclass(frozen=True)
class MemberName:
    """What a protected item of a plan is called in resource ids.

    Attributes:
        fabric: Name of the server of its pairing's primary cloud.
        container: That cloud's id.
        item: The item's own name.
        name: The machine's name for people.
        replication: Instance type of its policy.
    """

    item_id: str
    fabric: str
    container: str
    item: str
    name: str
    vm_id: str
    replication: str


def plan_lock(plan_id: UUID) -> str:
    """Key of the lock that the one operation of a plan holds: a run, a save, a deletion."""
    return f"plan:{plan_id}"


def plans_of(vault_id: UUID) -> QuerySet[RecoveryPlan]:
    """Plans of a vault with their servers, by name."""
    plans = RecoveryPlan.objects.filter(vault_id=vault_id)
    return plans.select_related("primary_fabric", "recovery_fabric").order_by("name", "id")


def find_plan(vault_id: UUID, name: str) -> RecoveryPlan | None:
    """The vault's plan of that name, whatever the case; None when there is none."""
    return plans_of(vault_id).filter(name__iexact=name).first()


def load_plan(plan: RecoveryPlan) -> PlanRecord:
    """A plan with all its groups, machines and actions."""
    return load_plans([plan])[plan.id]


def load_plans(plans: Collection[RecoveryPlan]) -> dict[UUID, PlanRecord]:
    """Several plans by their id, in two queries however large they are."""
    rows = PlanMember.objects.filter(plan__in=plans).order_by("plan_id", "group", "position")
    items: defaultdict[tuple[UUID, int], list[str]] = defaultdict(list)
    gone: defaultdict[tuple[UUID, int], list[GoneItem]] = defaultdict(list)
    protected = rows.filter(item__isnull=False)
    for plan_id, group, item_id in protected.values_list("plan_id", "group", "item_id"):
        items[plan_id, group].append(str(item_id))
    left_out = rows.filter(item__isnull=True)
    for plan_id, group, name, vm_id in left_out.values_list("plan_id", "group", "name", "vm_id"):
        gone[plan_id, group].append(GoneItem(name, vm_id))
    return {
        plan.id: _record(
            plan,
            [
                replace(
                    group,
                    item_ids=tuple(items[plan.id, group.number]),
                    gone=tuple(gone[plan.id, group.number]),
                )
                for group in read_stored_groups(plan.groups)
            ],
        )
        for plan in plans
    }


def member_names(plan_ids: Collection[UUID]) -> dict[str, MemberName]:
    """Names of all machines of plans that are still protected, by item id; one query."""
    items = ProtectedItem.objects.filter(plan_members__plan__in=plan_ids)
    return {name.item_id: name for name in _named(items.distinct())}


def find_machines(
    vault_id: UUID, names: Iterable[tuple[str, str, str]], vm_ids: Iterable[str] = ()
) -> list[MemberName]:
    """Protected items that resource ids name, or that protect machines; two queries.

    Args:
        vault_id: Their vault.
        names: Of fabric, container and item, whatever their case.
        vm_ids: Hyper-V's ids of machines.

    Returns:
        Those that are there, in no order; more than were asked for where items of several clouds
        have one name.
    """
    items = ProtectedItem.objects.filter(vault_id=vault_id)
    wanted = {item.lower() for _, _, item in names}
    found = _named(items.alias(lower_name=Lower("name")).filter(lower_name__in=wanted))
    machines = {vm_id.lower() for vm_id in vm_ids}
    return found + (_named(items.filter(vm_id__in=machines)) if machines else [])


def plans_with(item_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Names of the plans that machines are in, by item id; machines in none have no entry."""
    rows = PlanMember.objects.filter(item__in=item_ids).order_by("plan__name")
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for item_id, name in rows.values_list("item_id", "plan__name"):
        found[item_id].append(name)
    return dict(found)


def running_plan_jobs(plan_ids: Collection[UUID]) -> Mapping[UUID, Job]:
    """The jobs that work on plans, by the plan's id; idle plans have no entry."""
    keys = {plan_lock(plan_id): plan_id for plan_id in plan_ids}
    return {keys[key]: job for key, job in running_jobs_for(keys).items()}


def plan_operations(plan_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """What may be asked of plans that no job works on, by plan: what any of its machines allows.

    Machines that do not allow an operation are skipped by it.
    """
    states = PlanMember.objects.filter(plan__in=plan_ids, item__isnull=False)
    found: dict[UUID, dict[str, None]] = {plan_id: {} for plan_id in plan_ids}
    columns = ("plan_id", "item__state", "item__test_failover_state")
    distinct = states.order_by("plan_id").values_list(*columns).distinct()
    for plan_id, state, drill in distinct:
        found[plan_id] |= dict.fromkeys(
            str(operation)
            for operation in allowed_operations(
                ProtectionState(state), testing=drill != DrillState.NONE
            )
            if operation in PLAN_OPERATIONS
        )
    order = list(PLAN_OPERATIONS)
    return {plan_id: sorted(names, key=order.index) for plan_id, names in found.items()}


def revisions_with_changes(
    plan: RecoveryPlan,
) -> list[tuple[PlanRevision, tuple[Change, ...]]]:
    """The kept saves of a plan, newest first, with what each changed.

    What the oldest one changed is known only when it is the plan's first.
    """
    rows = list(PlanRevision.objects.filter(plan=plan).order_by("-number"))
    phases = [stored_phases(row.groups) for row in rows]
    names = {
        machine["vm_id"]: machine["name"]
        for row in reversed(rows)
        for group in row.groups
        for machine in group["machines"]
    }
    before = [*phases[1:], ()]
    return [
        (row, changes(was, now, names) if was or row.number == 1 else ())
        for row, now, was in zip(rows, phases, before, strict=True)
    ]


def plans_of_fabric(fabric: Fabric) -> list[str]:
    """What keeps a server from being removed, as `unregister_server` names it."""
    either = Q(primary_fabric=fabric) | Q(recovery_fabric=fabric)
    names = RecoveryPlan.objects.filter(either).order_by("name").values_list("name", flat=True)
    return [f'the recovery plan "{name}"' for name in names]


def vault_contents(vault_id: UUID) -> list[VaultContent]:
    """Recovery plans, which keep a vault from being deleted (SPEC VA-5)."""
    names = plans_of(vault_id).values_list("name", flat=True)
    return [VaultContent("recovery plan", name) for name in names]


# Of an item's operations those that a plan has as well, in ASR's order.
PLAN_OPERATIONS = (
    "PlannedFailover",
    "UnplannedFailover",
    "TestFailover",
    "TestFailoverCleanup",
    "Commit",
    "CancelFailover",
    "ReverseReplicate",
    "AbandonFailover",
)


def _record(plan: RecoveryPlan, groups: Iterable[GroupRecord]) -> PlanRecord:
    phases = {group.type: group for group in groups if group.type is not GroupType.BOOT}
    empty = PlanRecord(
        id=str(plan.id),
        vault_id=str(plan.vault_id),
        name=plan.name,
        revision=plan.revision,
        primary_fabric_id=str(plan.primary_fabric_id),
        recovery_fabric_id=str(plan.recovery_fabric_id),
        groups=tuple(group for group in groups if group.type is GroupType.BOOT),
    )
    return replace(
        empty,
        shutdown=phases.get(GroupType.SHUTDOWN, empty.shutdown),
        failover=phases.get(GroupType.FAILOVER, empty.failover),
    )


def _named(items: QuerySet[ProtectedItem]) -> list[MemberName]:
    cloud = "pairing__primary_cloud"
    rows = items.values_list(
        "id",
        f"{cloud}__fabric__name",
        f"{cloud}__external_id",
        "name",
        "friendly_name",
        "vm_id",
        "pairing__policy__instance_type",
    )
    return [MemberName(str(row[0]), *row[1:]) for row in rows]
