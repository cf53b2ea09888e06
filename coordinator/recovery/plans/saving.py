"""Writing a plan: its groups, its machines and the revision that can bring it back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ProtectionState
from coordinator.recovery.models import PlanMember, PlanRevision, RecoveryPlan
from coordinator.recovery.plans.documents import read_stored_groups, write_groups
from coordinator.recovery.plans.drafts import MachineFacts
from coordinator.recovery.plans.records import GoneItem, GroupRecord

# So many saves of a plan are kept.
KEPT_REVISIONS = 20
# Rows an INSERT has at most.
BATCH = 1000


def machine_facts(
    vault_id: UUID, item_ids: Collection[str], in_plan: Collection[str] = ()
) -> dict[str, MachineFacts]:
    """What is known of items, by id; one query. Items that are gone have no entry.

    Args:
        vault_id: Their vault; those of another one have no entry.
        item_ids: The items.
        in_plan: Those that are in the plan already.
    """
    rows = ProtectedItem.objects.filter(vault_id=vault_id, id__in=set(item_ids))
    known = set(in_plan)
    return {
        str(item_id): MachineFacts(
            item_id=str(item_id),
            name=name,
            vm_id=vm_id,
            primary_fabric_id=str(primary),
            recovery_fabric_id=str(recovery),
            leaving=state == ProtectionState.DISABLING and str(item_id) not in known,
        )
        for item_id, name, vm_id, state, primary, recovery in rows.values_list(
            "id",
            "friendly_name",
            "vm_id",
            "state",
            "pairing__primary_fabric_id",
            "pairing__recovery_fabric_id",
        )
    }


def write_plan(
    plan: RecoveryPlan,
    phases: Sequence[GroupRecord],
    machines: Mapping[str, MachineFacts],
    saved_by: str,
    now: datetime,
) -> None:
    """Makes a plan what it is to be, and keeps that as its newest revision.

    Args:
        plan: Locked.
        phases: What it is to be.
        machines: Of all its items.
        saved_by: Who asked.
        now: The time.
    """
    plan.groups = write_groups(phases)
    plan.revision += 1
    plan.save(update_fields=["groups", "revision"])
    rows = [row for group in phases for row in _members(plan, group, machines)]
    PlanMember.objects.filter(plan=plan).delete()
    PlanMember.objects.bulk_create(rows, batch_size=BATCH)
    PlanRevision.objects.create(
        plan=plan,
        number=plan.revision,
        groups=_revision_groups(phases, rows),
        saved_by=saved_by,
        saved_at=now,
    )
    PlanRevision.objects.filter(plan=plan, number__lte=plan.revision - KEPT_REVISIONS).delete()


def phases_of_revision(revision: PlanRevision) -> tuple[GroupRecord, ...]:
    """What a plan was, with the machines as they are protected today.

    A machine that was protected anew since is the same machine; one that is not protected, or by
    another pair of servers, is among the gone.
    """
    stored = revision.groups
    vm_ids = {machine["vm_id"] for group in stored for machine in group["machines"]}
    plan = revision.plan
    items = dict(
        ProtectedItem.objects.filter(
            vault_id=plan.vault_id,
            pairing__primary_fabric=plan.primary_fabric_id,
            pairing__recovery_fabric=plan.recovery_fabric_id,
            vm_id__in=vm_ids,
        ).values_list("vm_id", "id")
    )
    found = []
    for group, document in zip(read_stored_groups(stored), stored, strict=True):
        machines = document["machines"]
        found.append(
            replace(
                group,
                item_ids=tuple(
                    str(items[each["vm_id"]]) for each in machines if each["vm_id"] in items
                ),
                gone=tuple(
                    GoneItem(each["name"], each["vm_id"])
                    for each in machines
                    if each["vm_id"] not in items
                ),
            )
        )
    return tuple(found)


def _members(
    plan: RecoveryPlan, group: GroupRecord, machines: Mapping[str, MachineFacts]
) -> list[PlanMember]:
    known = [
        (machines[item_id].name, machines[item_id].vm_id, item_id) for item_id in group.item_ids
    ]
    gone = [(each.name, each.vm_id, None) for each in group.gone]
    return [
        PlanMember(
            plan=plan, group=group.number, position=place, item_id=item_id, name=name, vm_id=vm_id
        )
        for place, (name, vm_id, item_id) in enumerate([*known, *gone])
    ]


def _revision_groups(
    phases: Sequence[GroupRecord], rows: Sequence[PlanMember]
) -> list[dict[str, object]]:
    machines: dict[int, list[dict[str, str]]] = {}
    for row in rows:
        machines.setdefault(row.group, []).append({"name": row.name, "vm_id": row.vm_id})
    return [
        document | {"machines": machines.get(group.number, []) if group.number else []}
        for group, document in zip(phases, write_groups(phases), strict=True)
    ]
