"""The route of dry runs: checks and a forecast of a recovery plan; not of ASR's API."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import PlanPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.failovers import (
    FailoverInputProperties,
    read_direction,
    read_source_site_operations,
)
from coordinator.api.paths import RECOVERY_PLAN
from coordinator.api.recovery_plans import require_plan
from coordinator.api.shapes.dry_runs import dry_run_answer
from coordinator.failures import refuse
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.services import RunOptions, dry_run_plan

router = Router()

TYPES = {
    str(operation).lower(): operation
    for operation in (
        Operation.TEST_FAILOVER,
        Operation.PLANNED_FAILOVER,
        Operation.UNPLANNED_FAILOVER,
    )
}


class DryRunInputProperties(FailoverInputProperties):
    """As what the plan would be run."""

    failoverType: str  # noqa: N815 - the API's name
    sourceSiteOperations: str | None = None  # noqa: N815 - the API's name


class DryRunInput(RequestPart):
    """A dry run of a plan."""

    properties: DryRunInputProperties


@router.post(f"{RECOVERY_PLAN}/dryRun")
@served
def dry_run(request: HttpRequest, path: Path[PlanPath], body: DryRunInput) -> Answer:
    """Checks a run of a plan and forecasts its length; begins nothing."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    wanted = body.properties
    options = RunOptions(
        operation=_operation(wanted.failoverType),
        direction=read_direction(wanted),
        source_site_operations=read_source_site_operations(wanted.sourceSiteOperations),
    )
    return dry_run_answer(dry_run_plan(plan, options, call.now))


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
