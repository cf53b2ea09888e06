"""Routes that run recovery plans: the failover family for all machines of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import PlanPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.failovers import (
    NOT_REQUIRED,
    REQUIRED,
    FailoverInput,
    FailoverInputProperties,
    read_direction,
    read_source_site_operations,
    read_tag,
)
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.bodies import words
from coordinator.api.paths import RECOVERY_PLAN
from coordinator.api.recovery_plans import require_plan
from coordinator.api.responses import begins
from coordinator.api.shapes.recovery_plans import plan_id
from coordinator.api.test_failovers import (
    TestFailoverCleanupInput,
    TestNetworkProperties,
    read_network,
    read_network_type,
)
from coordinator.protection.rules import Operation
from coordinator.recovery.plans.runs.services import RunOptions, run_plan
from coordinator.recovery.services import RecoveryTag

router = Router()


class PlanPointInput(RequestPart):
    """Which recovery point of each machine; ASR's providers have words of their own beside."""

    recoveryTag: Annotated[str, words(*RecoveryTag)] | None = None  # noqa: N815 - the API's name


class PlanTestFailoverInputProperties(TestNetworkProperties):
    """Which way, in which network, and from which points."""

    providerSpecificDetails: list[PlanPointInput] | None = None  # noqa: N815 - the API's name


class PlanTestFailoverInput(RequestPart):
    """A test failover of a plan."""

    properties: PlanTestFailoverInputProperties = PlanTestFailoverInputProperties()


class PlanUnplannedFailoverInputProperties(FailoverInputProperties):
    """Which way, what is tried at the source, and to which point."""

    sourceSiteOperations: Annotated[str, words(REQUIRED, NOT_REQUIRED)] | None = None  # noqa: N815 - the API's name
    providerSpecificDetails: list[PlanPointInput] | None = None  # noqa: N815 - the API's name


class PlanUnplannedFailoverInput(RequestPart):
    """An unplanned failover of a plan."""

    properties: PlanUnplannedFailoverInputProperties = PlanUnplannedFailoverInputProperties()


@router.post(f"{RECOVERY_PLAN}/plannedFailover", response=begins())
@served
def planned_failover(
    request: HttpRequest, path: Path[PlanPath], body: FailoverInput | None = None
) -> Answer:
    """Begins a planned failover of the machines that run on the side it leaves."""
    direction = read_direction(body.properties if body else None)
    options = RunOptions(operation=Operation.PLANNED_FAILOVER, direction=direction)
    return _run(request, path, options)


@router.post(f"{RECOVERY_PLAN}/unplannedFailover", response=begins())
@served
def unplanned_failover(
    request: HttpRequest, path: Path[PlanPath], body: PlanUnplannedFailoverInput | None = None
) -> Answer:
    """Begins a failover that does not count on the side the machines run on."""
    wanted = PlanUnplannedFailoverInputProperties() if body is None else body.properties
    options = RunOptions(
        operation=Operation.UNPLANNED_FAILOVER,
        direction=read_direction(wanted),
        source_site_operations=read_source_site_operations(wanted.sourceSiteOperations),
        recovery_tag=read_plan_tag(wanted.providerSpecificDetails),
    )
    return _run(request, path, options)


@router.post(f"{RECOVERY_PLAN}/testFailover", response=begins())
@served
def begin_test_failover(
    request: HttpRequest, path: Path[PlanPath], body: PlanTestFailoverInput | None = None
) -> Answer:
    """Begins to test the machines of a plan; a network that is made is made once for all."""
    call = open_vault(request, path)
    wanted = PlanTestFailoverInputProperties() if body is None else body.properties
    choice = read_network_type(wanted.networkType)
    options = RunOptions(
        operation=Operation.TEST_FAILOVER,
        direction=read_direction(wanted),
        recovery_tag=read_plan_tag(wanted.providerSpecificDetails),
        network=choice,
        network_id=read_network(call, choice, wanted.networkId),
    )
    return _run(request, path, options)


@router.post(f"{RECOVERY_PLAN}/testFailoverCleanup", response=begins())
@served
def begin_test_failover_cleanup(
    request: HttpRequest, path: Path[PlanPath], body: TestFailoverCleanupInput | None = None
) -> Answer:
    """Begins to remove what the tests of a plan's machines made."""
    comments = (body.properties.comments if body is not None else None) or ""
    options = RunOptions(operation=Operation.TEST_FAILOVER_CLEANUP, comments=comments)
    return _run(request, path, options)


@router.post(f"{RECOVERY_PLAN}/failoverCommit", response=begins())
@served
def commit(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    """Begins to make the failovers of a plan's machines final."""
    return _run(request, path, RunOptions(operation=Operation.COMMIT))


@router.post(f"{RECOVERY_PLAN}/failoverCancel", response=begins())
@served
def cancel(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    """Begins to take the failovers of a plan's machines back."""
    return _run(request, path, RunOptions(operation=Operation.CANCEL_FAILOVER))


@router.post(f"{RECOVERY_PLAN}/abandonFailover", response=begins())
@served
def abandon(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    """Begins to bring a plan's machines back without their failed-over copies; beyond ASR."""
    return _run(request, path, RunOptions(operation=Operation.ABANDON_FAILOVER))


@router.post(f"{RECOVERY_PLAN}/reProtect", response=begins())
@served
def reverse_replicate(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    """Begins to protect a plan's failed-over machines towards the side they came from."""
    return _run(request, path, RunOptions(operation=Operation.REVERSE_REPLICATE))


def read_plan_tag(details: Sequence[PlanPointInput] | None) -> RecoveryTag:
    """The recovery tag of the first part that has one; Latest when none has.

    Raises:
        RefusedError: It is none of ASR's.
    """
    given = (part.recoveryTag for part in details or () if part.recoveryTag)
    return read_tag(next(given, None))


def _run(request: HttpRequest, path: PlanPath, options: RunOptions) -> Answer:
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    resource_id = plan_id(call.ids, plan.name)
    return accepted(call, resource_id, run_plan(plan, options, call.origin(resource_id), call.now))
