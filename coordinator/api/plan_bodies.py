"""Recovery plans in requests, and what they say as drafts of the recovery domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import WithJsonSchema

from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Call
from coordinator.api.openapi.bodies import PLAN_ACTION
from coordinator.api.paths import PROTECTED_ITEM, RECOVERY_PLAN, names_in
from coordinator.api.references import names_in_reference
from coordinator.api.shapes.envelope import ArmId
from coordinator.failures import refuse
from coordinator.recovery.plans.drafts import ActionDraft, GroupDraft
from coordinator.recovery.plans.queries import find_machines
from coordinator.recovery.plans.rules import machine_gone

DEPLOYMENT_MODELS = ("NotApplicable", "Classic", "ResourceManager")


class PlanItemInput(RequestPart):
    """A machine: the id of its protected item, or Hyper-V's id of it."""

    id: str | None = None
    virtualMachineId: str | None = None  # noqa: N815 - the API's name


class PlanActionInput(RequestPart):
    """An action; the rules of recovery plans read the words, to say what is wrong with one."""

    actionName: str  # noqa: N815 - the API's name
    failoverTypes: list[str]  # noqa: N815 - the API's name
    failoverDirections: list[str]  # noqa: N815 - the API's name
    customDetails: Annotated[dict[str, Any], WithJsonSchema(PLAN_ACTION)]  # noqa: N815 - the API's name
    # Beyond ASR's model: "Stop" or "Continue" when the action fails.
    failureRule: str | None = None  # noqa: N815 - the API's name


class PlanGroupInput(RequestPart):
    """A group or a phase."""

    groupType: str  # noqa: N815 - the API's name
    replicationProtectedItems: list[PlanItemInput] | None = None  # noqa: N815 - the API's name
    startGroupActions: list[PlanActionInput] | None = None  # noqa: N815 - the API's name
    endGroupActions: list[PlanActionInput] | None = None  # noqa: N815 - the API's name


class PlanInputProperties(RequestPart):
    """A whole plan."""

    primaryFabricId: ArmId  # noqa: N815 - the API's name
    recoveryFabricId: ArmId  # noqa: N815 - the API's name
    failoverDeploymentModel: str | None = None  # noqa: N815 - the API's name
    groups: list[PlanGroupInput]
    providerSpecificInput: list[dict[str, Any]] | None = None  # noqa: N815 - the API's name


class PlanInput(RequestPart):
    """A plan to make."""

    properties: PlanInputProperties


class PlanUpdateProperties(RequestPart):
    """The groups, all of them; without them nothing changes."""

    groups: list[PlanGroupInput] | None = None


class PlanUpdate(RequestPart):
    """A change of a plan."""

    properties: PlanUpdateProperties = PlanUpdateProperties()


class CloneInputProperties(RequestPart):
    """What the copy is called."""

    name: str


class CloneInput(RequestPart):
    """A copy of a plan to make; not of ASR's API."""

    properties: CloneInputProperties


def deployment_model(given: str | None) -> str:
    """ASR's failoverDeploymentModel, in its own case.

    Raises:
        RefusedError: RecoveryPlanDeploymentModelUnknown (400).
    """
    if given is None:
        return DEPLOYMENT_MODELS[0]
    for word in DEPLOYMENT_MODELS:
        if given.lower() == word.lower():
            return word
    raise refuse(
        "RecoveryPlanDeploymentModelUnknown",
        f"'{given[:64]}' is no deployment model.",
        causes=["The word is misspelt."],
        action=f"Leave it out, or use {' or '.join(DEPLOYMENT_MODELS)}.",
        field="properties.failoverDeploymentModel",
    )


def refuse_provider_input(given: Sequence[dict[str, Any]] | None, field: str) -> None:
    """Refuses words of Azure's own replication providers, which would be lost (SPEC AP-2).

    Raises:
        RefusedError: RecoveryPlanProviderNotSupported (400).
    """
    if not given:
        return
    kinds = ", ".join(sorted({str(each.get("instanceType"))[:64] for each in given}))
    raise refuse(
        "RecoveryPlanProviderNotSupported",
        f"Recovery plans of Hyper-V sites take no provider-specific input; given is {kinds}.",
        causes=["The input belongs to a replication to or within Azure (A2A, InMage, InMageRcm)."],
        action="Leave providerSpecificInput out.",
        field=field,
    )


def group_drafts(call: Call, groups: Sequence[PlanGroupInput]) -> tuple[GroupDraft, ...]:
    """Groups of a request with the machines they name.

    Raises:
        RefusedError: InvalidResourceReference or RecoveryPlanMachineGone (400), naming the field.
    """
    wanted = [
        [
            _wanted(call, item, f"{_items_field(index)}[{place}]")
            for place, item in enumerate(group.replicationProtectedItems or ())
        ]
        for index, group in enumerate(groups)
    ]
    found = _found(call, [key for keys in wanted for key in keys])
    for index, keys in enumerate(wanted):
        for place, key in enumerate(keys):
            if key not in found:
                raise machine_gone(key[-1], f"{_items_field(index)}[{place}]")
    return tuple(
        GroupDraft(
            type=group.groupType,
            item_ids=tuple(found[key] for key in keys),
            start_actions=_actions(group.startGroupActions),
            end_actions=_actions(group.endGroupActions),
        )
        for group, keys in zip(groups, wanted, strict=True)
    )


def _items_field(index: int) -> str:
    return f"properties.groups[{index}].replicationProtectedItems"


def _found(call: Call, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Ids of items by what they were looked for."""
    found: dict[tuple[str, ...], str] = {}
    for machine in find_machines(
        call.vault.id,
        ((key[0], key[1], key[2]) for key in keys if len(key) > 1),
        (key[0] for key in keys if len(key) == 1),
    ):
        where = (machine.fabric, machine.container, machine.item)
        found[tuple(part.lower() for part in where)] = machine.item_id
        found[machine.vm_id.lower(),] = machine.item_id
    return found


def _wanted(call: Call, item: PlanItemInput, field: str) -> tuple[str, ...]:
    """What a machine is looked for by: names of fabric, cloud and item, or Hyper-V's id."""
    if item.id is None and item.virtualMachineId is not None:
        return (item.virtualMachineId.lower(),)
    if item.id is not None and names_in(RECOVERY_PLAN, item.id) is not None:
        raise refuse(
            "RecoveryPlanMachineGone",
            "A recovery plan cannot be in a recovery plan.",
            causes=["Plans hold machines; a plan within a plan could come round to itself."],
            action="Put the other plan's machines into this one, or run one plan after the other.",
            field=f"{field}.id",
        )
    names = names_in_reference(call, PROTECTED_ITEM, item.id or "", f"{field}.id")
    where = (names["fabric_name"], names["container_name"], names["item_name"])
    return tuple(part.lower() for part in where)


def _actions(given: Iterable[PlanActionInput] | None) -> tuple[ActionDraft, ...]:
    return tuple(
        ActionDraft(
            name=action.actionName,
            failover_types=tuple(action.failoverTypes),
            failover_directions=tuple(action.failoverDirections),
            details=action.customDetails,
            failure_rule=action.failureRule,
        )
        for action in given or ()
    )
