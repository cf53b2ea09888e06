"""A run of a plan as it would begin now, read out of the tables; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from coordinator.failures import Failure, RefusedError
from coordinator.jobs.queries import refuse_unless_capable, running_jobs_for
from coordinator.jobs.rules import all_steps
from coordinator.jobs.steps import Graph, StepKind
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import item_lock
from coordinator.protection.states import FailoverDirection
from coordinator.recovery.dry_run.facts import RunFacts, ServerFacts
from coordinator.recovery.dry_run.machine_reading import hosts_of, machine_facts
from coordinator.recovery.machines import items_together
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.queries import load_plan, plan_lock
from coordinator.recovery.plans.records import FailoverType, PlanRecord, ScriptAction
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
from coordinator.recovery.plans.runs.requests import RunMachine, RunServer
from coordinator.recovery.plans.runs.services import run_request
from coordinator.recovery.plans.runs.starting import prepare_start, unstarted_items
from coordinator.recovery.plans.runs.testing import testing_of_run

NOT_READY = "RecoveryPlanMachinesNotReady"


@dataclass(frozen=True)
class ReadRun:
    """A run as it would begin now.

    Attributes:
        graph: Of the machines that could take part; None when it is not known which way it goes.
    """

    facts: RunFacts
    graph: Graph | None

    def with_unmeasured(self, verbs: Sequence[str]) -> RunFacts:
        return replace(self.facts, unmeasured=tuple(verbs))


def read_run(plan: RecoveryPlan, options: RunOptions, now: datetime) -> ReadRun:
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
        # Some way there is: a dry run is of a failover.
        way = way or FailoverDirection.PRIMARY_TO_RECOVERY
    except RefusedError as error:
        return ReadRun(replace(facts, refusals=(error.failure,)), None)
    choice, refusals = _choice(plan.name, operation, way, candidates)
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
            elif item.active_location == way.source:
                prepared = prepare(item)
        except RefusedError as error:
            refused[key] = error.failure
            reason = error.failure.message
        machines[key] = run_machine(item, operation, prepared, reason, addresses)
    found = RunMachines(choice, machines, (), testing)
    request = run_request(plan, record, found, options, now)
    graph = plan_run(request)
    refusals += (*_busy(plan, known), *_incapable(graph))
    over = {key: why for key, why in choice.skipped.items() if key not in refused}
    shown = machine_facts(known, way, now)
    return ReadRun(
        replace(
            facts,
            refusals=refusals,
            direction=way,
            source=_server(request.servers[way.source]),
            target=_server(request.servers[way.source.other]),
            hosts=hosts_of(plan, way, [each.target_host for each in shown.values()]),
            machines=tuple(
                replace(each, refusal=refused.get(key), over=over.get(key, ""))
                for key, each in shown.items()
            ),
            scripts=_scripts(record, options, way),
            manual_actions=sum(step.kind is StepKind.MANUAL for step in graph.steps),
        ),
        graph,
    )


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


def _busy(plan: RecoveryPlan, items: Sequence[ProtectedItem]) -> tuple[Failure, ...]:
    """Jobs that work on the plan or its machines now."""
    keys = {item_lock(item.id): item.friendly_name for item in items}
    keys[plan_lock(plan.id)] = plan.name
    return tuple(
        Failure(
            "532",
            f'Another operation, "{job.friendly_name}", is in progress on {keys[key]}.',
            (f"The job {job.id} has not ended.",),
            "Wait until it ends, or cancel it.",
        )
        for key, job in sorted(running_jobs_for(keys).items())
    )


def _incapable(graph: Graph) -> tuple[Failure, ...]:
    try:
        refuse_unless_capable([step for step in all_steps(graph) if step.provider])
    except RefusedError as error:
        return (error.failure,)
    return ()


def _scripts(
    record: PlanRecord, options: RunOptions, way: FailoverDirection
) -> tuple[tuple[str, str], ...]:
    kind = FailoverType(str(options.operation))
    return tuple(
        (placed.action.name, placed.action.path)
        for placed in record.actions()
        if isinstance(placed.action, ScriptAction) and placed.action.applies(kind, way)
    )


def _server(server: RunServer) -> ServerFacts:
    return ServerFacts(
        name=server.name, registered=bool(server.provider_id), connected=server.connected
    )
