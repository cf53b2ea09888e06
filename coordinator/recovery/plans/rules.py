"""What a recovery plan may be: its groups and who is in them (SPEC RP-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.failures import RefusedError, refuse
from coordinator.recovery.plans.action_rules import read_actions
from coordinator.recovery.plans.drafts import FabricPair, GroupDraft, MachineFacts, PlanLimits
from coordinator.recovery.plans.records import GroupRecord, GroupType

GROUPS_FIELD = "properties.groups"
PHASES = (GroupType.SHUTDOWN, GroupType.FAILOVER)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What all groups are read with.

    Attributes:
        seen: Where each machine was met first: item id to number of the group.
    """

    pair: FabricPair
    machines: Mapping[str, MachineFacts]
    seen: dict[str, int]


def read_groups(
    drafts: Sequence[GroupDraft],
    pair: FabricPair,
    machines: Mapping[str, MachineFacts],
    limits: PlanLimits,
) -> tuple[GroupRecord, ...]:
    """Reads the groups of a plan.

    Args:
        drafts: As the client has them; the order among Boot groups is that of starting.
        pair: The plan's servers.
        machines: What is known of the items, by id; those that are gone have no entry.
        limits: How large the plan may be.

    Returns:
        Shutdown, Failover, then the Boot groups numbered from 1 (`PlanRecord.phases`).

    Raises:
        RefusedError: 400, naming the field: RecoveryPlanGroupTypeUnknown, RecoveryPlanPhaseTwice,
            RecoveryPlanPhaseWithMachines, RecoveryPlanTooManyGroups, RecoveryPlanTooManyMachines,
            RecoveryPlanGroupEmpty, RecoveryPlanWithoutMachines, RecoveryPlanMachineTwice,
            RecoveryPlanMachineGone, RecoveryPlanMachineOfAnotherPair, or what an action is refused
            for.

    Source: SPEC RP-1.
    """
    types = [_type(draft, _field(index)) for index, draft in enumerate(drafts)]
    _check_size(drafts, types, limits)
    reading = _Reading(pair=pair, machines=machines, seen={})
    phases = {kind: GroupRecord(type=kind, number=0) for kind in PHASES}
    met: set[GroupType] = set()
    boot: list[GroupRecord] = []
    for index, (draft, kind) in enumerate(zip(drafts, types, strict=True)):
        field = _field(index)
        if kind is GroupType.BOOT:
            boot.append(_boot_group(draft, len(boot) + 1, reading, field))
            continue
        if kind in met:
            raise _phase_twice(kind, field)
        met.add(kind)
        phases[kind] = _phase(draft, kind, field)
    if not reading.seen:
        raise _without_machines()
    return (*phases.values(), *boot)


def _field(index: int) -> str:
    return f"{GROUPS_FIELD}[{index}]"


def _type(draft: GroupDraft, field: str) -> GroupType:
    for kind in GroupType:
        if draft.type.lower() == kind.lower():
            return kind
    raise refuse(
        "RecoveryPlanGroupTypeUnknown",
        f"'{draft.type[:64]}' is no type of group.",
        causes=["The type is misspelt."],
        action=f"Use one of {', '.join(GroupType)}.",
        field=f"{field}.groupType",
    )


def _check_size(
    drafts: Sequence[GroupDraft], types: Sequence[GroupType], limits: PlanLimits
) -> None:
    groups = types.count(GroupType.BOOT)
    if groups > limits.groups:
        raise refuse(
            "RecoveryPlanTooManyGroups",
            f"The plan has {groups} groups; a plan may have {limits.groups}.",
            causes=["Each group waits for the one before it."],
            action="Put machines that need not wait for each other into one group, or raise "
            "OSR_PLAN_GROUPS on the coordinator.",
            field=GROUPS_FIELD,
        )
    machines = sum(len(draft.item_ids) for draft in drafts)
    if machines > limits.machines:
        raise refuse(
            "RecoveryPlanTooManyMachines",
            f"The plan has {machines} machines; a plan may have {limits.machines}.",
            causes=["A plan is meant for an application, not for a whole site."],
            action="Make a plan for each application, or raise OSR_PLAN_MACHINES on the "
            "coordinator.",
            field=GROUPS_FIELD,
        )


def _phase(draft: GroupDraft, kind: GroupType, field: str) -> GroupRecord:
    if draft.item_ids:
        raise refuse(
            "RecoveryPlanPhaseWithMachines",
            f"The group {kind} has machines; only Boot groups have some.",
            causes=["All machines of the plan are shut down and failed over in any case."],
            action=f"Put the machines into a group of type {GroupType.BOOT}.",
            field=f"{field}.replicationProtectedItems",
        )
    return GroupRecord(
        type=kind,
        number=0,
        start_actions=read_actions(draft.start_actions, f"{field}.startGroupActions"),
        end_actions=read_actions(draft.end_actions, f"{field}.endGroupActions"),
    )


def _boot_group(draft: GroupDraft, number: int, reading: _Reading, field: str) -> GroupRecord:
    for place, item_id in enumerate(draft.item_ids):
        _admit(item_id, number, reading, f"{field}.replicationProtectedItems[{place}]")
    group = GroupRecord(
        type=GroupType.BOOT,
        number=number,
        item_ids=tuple(draft.item_ids),
        start_actions=read_actions(draft.start_actions, f"{field}.startGroupActions"),
        end_actions=read_actions(draft.end_actions, f"{field}.endGroupActions"),
    )
    if not (group.item_ids or group.start_actions or group.end_actions):
        raise refuse(
            "RecoveryPlanGroupEmpty",
            f"Group {number} has neither machines nor actions.",
            causes=["Its last machine was moved or removed."],
            action="Remove the group, or put something into it.",
            field=field,
        )
    return group


def _admit(item_id: str, number: int, reading: _Reading, field: str) -> None:
    machine = reading.machines.get(item_id)
    if machine is None or machine.leaving:
        raise machine_gone(item_id if machine is None else machine.name, field)
    if item_id in reading.seen:
        raise _machine_twice(machine.name, reading.seen[item_id], number, field)
    reading.seen[item_id] = number
    pair = reading.pair
    if (machine.primary_fabric_id, machine.recovery_fabric_id) != (
        pair.primary_id,
        pair.recovery_id,
    ):
        raise refuse(
            "RecoveryPlanMachineOfAnotherPair",
            f"{machine.name} does not replicate from {pair}.",
            causes=["A plan has machines of one pair of servers, protected in one direction."],
            action="Make another plan for machines of the other pair.",
            field=field,
        )


def machine_gone(name: str, field: str) -> RefusedError:
    """The refusal of a machine that is not protected, or soon will not be."""
    return refuse(
        "RecoveryPlanMachineGone",
        f"{name} is not protected and cannot be in a plan.",
        causes=["Its protection was disabled.", "The id is misspelt."],
        action="Leave the machine out, or protect it first.",
        field=field,
    )


def _machine_twice(name: str, before: int, number: int, field: str) -> RefusedError:
    where = f"in the groups {before} and {number}" if before != number else f"in group {number}"
    return refuse(
        "RecoveryPlanMachineTwice",
        f"{name} is more than once {where}.",
        causes=["A machine starts once, so it is in one group of a plan."],
        action="Keep it in the group in which it is to start; other plans may have it too.",
        field=field,
    )


def _phase_twice(kind: GroupType, field: str) -> RefusedError:
    return refuse(
        "RecoveryPlanPhaseTwice",
        f"The plan has more than one group {kind}.",
        causes=["All machines are shut down in one phase and fail over in one phase."],
        action=f"Put the actions of both into one group {kind}.",
        field=f"{field}.groupType",
    )


def _without_machines() -> RefusedError:
    return refuse(
        "RecoveryPlanWithoutMachines",
        "The plan has no machines.",
        causes=["No group of the type Boot has any.", "The last machine was removed."],
        action="Put at least one protected machine into a group, or delete the plan.",
        field=GROUPS_FIELD,
    )
