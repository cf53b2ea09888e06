"""Routes of dry runs: looking at the servers, checks and a forecast; none of them is ASR's."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ItemPath, PlanPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.failovers import (
    NOT_REQUIRED,
    REQUIRED,
    read_direction,
    read_source_site_operations,
)
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.bodies import words
from coordinator.api.paths import PROTECTED_ITEM, RECOVERY_PLAN
from coordinator.api.protected_items import require_item
from coordinator.api.recovery_plans import require_plan
from coordinator.api.responses import begins, shows
from coordinator.api.shapes.dry_runs import DryRunAnswer, dry_run_answer
from coordinator.api.shapes.protected_items import protected_item_id
from coordinator.api.shapes.recovery_plans import plan_id
from coordinator.api.test_failovers import TestNetworkProperties, read_network, read_network_type
from coordinator.failures import refuse
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.services import (
    RunOptions,
    dry_run_machine,
    dry_run_plan,
    look_for_machine,
    look_for_plan,
)
from coordinator.recovery.test_failover.services import NetworkChoice

router = Router()

TYPES = {
    str(operation).lower(): operation
    for operation in (
        Operation.TEST_FAILOVER,
        Operation.PLANNED_FAILOVER,
        Operation.UNPLANNED_FAILOVER,
    )
}


class DryRunInputProperties(TestNetworkProperties):
    """As what it would be run; the network is that of a test."""

    failoverType: Annotated[str, words(*(str(each) for each in TYPES.values()))]  # noqa: N815 - the API's name
    sourceSiteOperations: Annotated[str, words(REQUIRED, NOT_REQUIRED)] | None = None  # noqa: N815 - the API's name


class DryRunInput(RequestPart):
    """A dry run."""

    properties: DryRunInputProperties


class LookInputProperties(RequestPart):
    """The VM network that a test would be made in, whose addresses are looked at too."""

    networkId: str | None = None  # noqa: N815 - the API's name


class LookInput(RequestPart):
    """A look at the servers."""

    properties: LookInputProperties = LookInputProperties()


@router.post(f"{RECOVERY_PLAN}/dryRun", response=shows(DryRunAnswer))
@served
def of_plan(request: HttpRequest, path: Path[PlanPath], body: DryRunInput) -> Answer:
    """Checks a run of a plan and forecasts its length; begins nothing."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    return dry_run_answer(dry_run_plan(plan, _options(call, body), call.now))


@router.post(f"{PROTECTED_ITEM}/dryRun", response=shows(DryRunAnswer))
@served
def of_machine(request: HttpRequest, path: Path[ItemPath], body: DryRunInput) -> Answer:
    """Checks a failover of one machine and forecasts its length; begins nothing."""
    call = open_vault(request, path)
    item = require_item(call, path)
    return dry_run_answer(dry_run_machine(item, _options(call, body), call.now))


@router.post(f"{RECOVERY_PLAN}/lookBeforeFailover", response=begins())
@served
def look_of_plan(
    request: HttpRequest, path: Path[PlanPath], body: LookInput | None = None
) -> Answer:
    """Begins to look at a plan's servers and scripts, for the dry runs after it."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    resource_id = plan_id(call.ids, plan.name)
    job = look_for_plan(plan, call.origin(resource_id), call.now, network_id=_network(call, body))
    return accepted(call, resource_id, job)


@router.post(f"{PROTECTED_ITEM}/lookBeforeFailover", response=begins())
@served
def look_of_machine(
    request: HttpRequest, path: Path[ItemPath], body: LookInput | None = None
) -> Answer:
    """Begins to look at a machine's servers, for the dry runs after it."""
    call = open_vault(request, path)
    item = require_item(call, path)
    item_id = protected_item_id(call.ids, item)
    job = look_for_machine(item, call.origin(item_id), call.now, network_id=_network(call, body))
    return accepted(call, item_id, job)


def _options(call: Call, body: DryRunInput) -> RunOptions:
    wanted = body.properties
    choice = read_network_type(wanted.networkType)
    return RunOptions(
        operation=_operation(wanted.failoverType),
        direction=read_direction(wanted),
        source_site_operations=read_source_site_operations(wanted.sourceSiteOperations),
        network=choice,
        network_id=read_network(call, choice, wanted.networkId),
    )


def _network(call: Call, body: LookInput | None) -> str:
    reference = None if body is None else body.properties.networkId
    return read_network(call, NetworkChoice.EXISTING, reference)


def _operation(word: str) -> Operation:
    found = TYPES.get(word.lower())
    if found is not None:
        return found
    names = ", ".join(str(operation) for operation in TYPES.values())
    raise refuse(
        "InvalidFailoverType",
        f"The value '{word}' of failoverType is not allowed.",
        causes=[f"failoverType must be one of {names}."],
        action=f"Give failoverType as one of {names}.",
        field="properties.failoverType",
    )
