"""Drafts of plans and what is known of their machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coordinator.recovery.plans.drafts import (
    ActionDraft,
    FabricPair,
    GroupDraft,
    MachineFacts,
    PlanLimits,
)
from coordinator.recovery.plans.records import GroupRecord
from coordinator.recovery.plans.rules import read_groups

PAIR = FabricPair(primary_id="f1", recovery_id="f2", primary_name="VMM1", recovery_name="VMM2")
TYPES = ("PlannedFailover", "UnplannedFailover")
DIRECTIONS = ("PrimaryToRecovery",)


def machine(
    item_id: str, *, pair: tuple[str, str] = ("f1", "f2"), leaving: bool = False
) -> MachineFacts:
    return MachineFacts(
        item_id=item_id,
        name=f"vm-{item_id}",
        vm_id=f"id-{item_id}",
        primary_fabric_id=pair[0],
        recovery_fabric_id=pair[1],
        leaving=leaving,
    )


def known(item_ids: Iterable[str]) -> dict[str, MachineFacts]:
    return {item_id: machine(item_id) for item_id in item_ids}


def boot(
    *item_ids: str, start: Sequence[ActionDraft] = (), end: Sequence[ActionDraft] = ()
) -> GroupDraft:
    return GroupDraft(
        type="Boot", item_ids=item_ids, start_actions=tuple(start), end_actions=tuple(end)
    )


def script(name: str = "Start", **changes: object) -> ActionDraft:
    details = {
        "instanceType": "ScriptActionDetails",
        "path": "\\RPScripts\\Start.ps1",
        "fabricLocation": "Recovery",
    }
    return ActionDraft(
        name=name,
        failover_types=TYPES,
        failover_directions=DIRECTIONS,
        details=details | changes,
    )


def manual(name: str = "Check", **changes: object) -> ActionDraft:
    details = {"instanceType": "ManualActionDetails", "description": "Look at the DNS."}
    return ActionDraft(
        name=name,
        failover_types=TYPES,
        failover_directions=DIRECTIONS,
        details=details | changes,
    )


def read(
    drafts: Sequence[GroupDraft],
    machines: dict[str, MachineFacts] | None = None,
    limits: PlanLimits | None = None,
) -> tuple[GroupRecord, ...]:
    """Reads groups whose machines are known unless said otherwise."""
    item_ids = (item_id for draft in drafts for item_id in draft.item_ids)
    return read_groups(
        drafts, PAIR, known(item_ids) if machines is None else machines, limits or PlanLimits()
    )
