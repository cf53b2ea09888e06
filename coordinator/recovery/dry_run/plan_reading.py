"""A run of a plan as it would begin now, read out of the tables; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from coordinator.fabrics.models import Fabric
from coordinator.failures import Failure, RefusedError
from coordinator.jobs.steps import StepKind
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import item_lock
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.dry_run.facts import RunFacts, ScriptFacts
from coordinator.recovery.dry_run.looks import Looks, last_looks
from coordinator.recovery.dry_run.reading import Going, ReadRun, busy, incapable, with_going
from coordinator.recovery.machines import items_together
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.queries import load_plan, plan_lock
from coordinator.recovery.plans.records import ActionRule, FailoverType, ScriptAction
from coordinator.recovery.plans.runs.choosing import Candidate, Choice, choose, direction_of_run
from coordinator.recovery.plans.runs.machines import (
    WITH_NETWORKS,
    RunMachines,
    candidate,
    known_addresses,
    preparer,
    run_machine,
)
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.runs.planner import plan_run
from coordinator.recovery.plans.runs.requests import RunMachine, RunRequest
from coordinator.recovery.plans.runs.services import run_request
from coordinator.recovery.plans.runs.starting import prepare_start, unstarted_items
from coordinator.recovery.plans.runs.testing import DrillRun, testing_of_run

NOT_READY = "RecoveryPlanMachinesNotReady"


def read_plan_run(plan: RecoveryPlan, options: RunOptions, now: datetime) -> ReadRun:
    """Reads a run; what would refuse it is a part of what is read."""
    record, operation = load_plan(plan), options.operation
    items = items_together(record.item_ids, now, with_networks=operation in WITH_NETWORKS)
    by_id = {str(item_id): item for item_id, item in items.items()}
    known = [by_id[item_id] for item_id in record.item_ids if item_id in by_id]
    unstarted = unstarted_items(known) if operation in WITH_NETWORKS else frozenset()
    candidates = [candidate(item, operation, unstarted) for item in known]
    facts = RunFacts(plan=plan.name, operation=operation)
    try:
        way = direction_of_run(plan.name, operation, options.direction, candidates)
        testing = testing_of_run(plan.name, options, known, now)
    except RefusedError as error:
        return ReadRun(replace(facts, refusals=(error.failure,)), None)
    # Some way there is: a dry run is of a failover.
    way = way or FailoverDirection.PRIMARY_TO_RECOVERY
    choice, refusals = _choice(plan.name, operation, way, candidates)
    machines, refused = _prepared(known, options, choice, testing, now)
    request = run_request(plan, record, RunMachines(choice, machines, (), testing), options, now)
    graph = plan_run(request)
    looks = last_looks(str(plan.id), one_server=plan.primary_fabric_id == plan.recovery_fabric_id)
    going = Going(
        items=known,
        way=way,
        source=_fabric(plan, way.source),
        target=_fabric(plan, way.source.other),
        refused=refused,
        over={key: why for key, why in choice.skipped.items() if key not in refused},
    )
    at_work, remarks = busy(
        {plan_lock(plan.id): plan.name} | {item_lock(item.id): item.friendly_name for item in known}
    )
    facts = replace(
        with_going(facts, going, options, looks, now),
        refusals=(*refusals, *at_work, *incapable(graph)),
        remarks=remarks,
        scripts=_scripts(request, looks),
        manual_actions=sum(step.kind is StepKind.MANUAL for step in graph.steps),
    )
    return ReadRun(facts, graph, looks.at)


def _prepared(
    known: Sequence[ProtectedItem],
    options: RunOptions,
    choice: Choice,
    testing: DrillRun,
    now: datetime,
) -> tuple[dict[str, RunMachine], dict[str, Failure]]:
    """The machines as the run would have them, and why some would not take part."""
    prepare = preparer(options, choice, testing, now)
    addresses = known_addresses(known)
    machines: dict[str, RunMachine] = {}
    refused: dict[str, Failure] = {}
    for item in known:
        key, prepared = str(item.id), None
        reason = choice.skipped.get(key, "")
        try:
            if key in choice.starts:
                prepared = prepare_start(item, now)
            elif choice.direction is not None and item.active_location == choice.direction.source:
                prepared = prepare(item)
        except RefusedError as error:
            refused[key] = error.failure
            reason = error.failure.message
        machines[key] = run_machine(item, options.operation, prepared, reason, addresses)
    return machines, refused


def _choice(
    plan_name: str,
    operation: Operation,
    way: FailoverDirection,
    candidates: Sequence[Candidate],
) -> tuple[Choice, tuple[Failure, ...]]:
    """Who takes part; where the run would be refused, those who could, and why it would be."""
    try:
        return choose(plan_name, operation, way, candidates), ()
    except RefusedError as error:
        # What stands against single machines is told of each of them.
        told = () if error.failure.code == NOT_READY else (error.failure,)
    over = {
        each.item_id: f"{each.name} runs on the {each.active} side already."
        for each in candidates
        if each.active is not way.source and not each.unstarted
    }
    starts = {each.item_id for each in candidates if each.unstarted} - over.keys()
    return Choice(way, over, frozenset(starts)), told


def _scripts(request: RunRequest, looks: Looks) -> tuple[ScriptFacts, ...]:
    """The scripts that the run would run, as they were when their servers were looked at."""
    kind, way = FailoverType(str(request.operation)), request.direction
    return tuple(
        ScriptFacts(
            name=placed.action.name,
            path=placed.action.path,
            place=placed.key,
            server=request.servers[placed.action.side].name,
            sha256=placed.action.sha256,
            stops=placed.action.rule(kind) is ActionRule.STOP,
            seen=looks.script(placed.action.side, placed.action.path),
        )
        for placed in request.plan.actions()
        if isinstance(placed.action, ScriptAction)
        and way is not None
        and placed.action.applies(kind, way)
    )


def _fabric(plan: RecoveryPlan, side: ActiveLocation) -> Fabric:
    return plan.primary_fabric if side is ActiveLocation.PRIMARY else plan.recovery_fabric
