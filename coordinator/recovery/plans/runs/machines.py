"""The machines of a plan for one run: who takes part, prepared, and what scripts are told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from coordinator.failures import RefusedError
from coordinator.jobs.queries import running_jobs_for
from coordinator.jobs.services import JobTarget, refuse_if_busy
from coordinator.jobs.steps import ChildJob, Graph
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import adapters_of_items
from coordinator.protection.rules import Operation
from coordinator.protection.services import (
    end_housekeeping,
    is_housekeeping,
    item_lock,
    refuse_unless_allowed,
)
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery import (
    abandon_failover,
    cancel_failover,
    commit,
    planned_failover,
    reverse_replication,
    unplanned_failover,
)
from coordinator.recovery.machines import items_together
from coordinator.recovery.options import PlannedFailoverOptions, UnplannedFailoverOptions
from coordinator.recovery.plans.records import PlanRecord
from coordinator.recovery.plans.runs.choosing import (
    Candidate,
    Choice,
    choose,
    direction_of_run,
)
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.runs.requests import RunMachine
from coordinator.recovery.plans.runs.starting import prepare_start, unstarted_items
from coordinator.recovery.plans.runs.testing import DrillRun, testing_of_run
from coordinator.recovery.prepared import PreparedOperation
from coordinator.recovery.services import (
    prepare_abandon_failover,
    prepare_cancel_failover,
    prepare_commit,
    prepare_planned_failover,
    prepare_reverse_replication,
    prepare_unplanned_failover,
)

# ASR's scenario names, the same for a plan and for one machine; and what people call them.
SCENARIOS: Mapping[Operation, str] = {
    Operation.TEST_FAILOVER: "TestFailover",
    Operation.TEST_FAILOVER_CLEANUP: "TestFailoverCleanup",
    Operation.PLANNED_FAILOVER: planned_failover.SCENARIO,
    Operation.UNPLANNED_FAILOVER: unplanned_failover.SCENARIO,
    Operation.COMMIT: commit.SCENARIO,
    Operation.REVERSE_REPLICATE: reverse_replication.SCENARIO,
    Operation.CANCEL_FAILOVER: cancel_failover.SCENARIO,
    Operation.ABANDON_FAILOVER: abandon_failover.SCENARIO,
}
FRIENDLY_NAMES: Mapping[Operation, str] = {
    Operation.TEST_FAILOVER: "Test failover",
    Operation.TEST_FAILOVER_CLEANUP: "Clean up test failover",
    Operation.PLANNED_FAILOVER: planned_failover.FRIENDLY_NAME,
    Operation.UNPLANNED_FAILOVER: unplanned_failover.FRIENDLY_NAME,
    Operation.COMMIT: commit.FRIENDLY_NAME,
    Operation.REVERSE_REPLICATE: reverse_replication.FRIENDLY_NAME,
    Operation.CANCEL_FAILOVER: cancel_failover.FRIENDLY_NAME,
    Operation.ABANDON_FAILOVER: abandon_failover.FRIENDLY_NAME,
}
ENTITY = "ProtectionEntity"
WITH_NETWORKS = frozenset({Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER})


@dataclass(frozen=True)
class RunMachines:
    """What a run does to the machines of its plan.

    Attributes:
        choice: Which way it goes, and who is left out.
        machines: By item id; every machine of the plan.
        operations: Of those that take part.
        testing: What a test makes for all of them.
        left_out: Ids of machines that an unplanned failover goes without.
    """

    choice: Choice
    machines: Mapping[str, RunMachine]
    operations: tuple[PreparedOperation, ...]
    testing: DrillRun
    left_out: frozenset[str] = frozenset()


def machines_of_run(plan: PlanRecord, options: RunOptions, now: datetime) -> RunMachines:
    """Reads and prepares all machines of a plan.

    Nothing is written, but jobs of the machines that only wait are ended.

    Machines whose operation cannot be prepared, or that another operation works on, stop the run
    before it begins, except that an unplanned failover goes without them.

    Raises:
        RefusedError: 532 while a job works on a machine that may take part, if the run does not go
            without it or the job is over in a moment; as `direction_of_run` and `choose`, and as
            the preparation of one machine.
    """
    operation = options.operation
    items = {
        str(item_id): item
        for item_id, item in items_together(
            plan.item_ids, now, with_networks=operation in WITH_NETWORKS
        ).items()
    }
    known = [items[item_id] for item_id in plan.item_ids if item_id in items]
    unstarted = unstarted_items(known) if operation in WITH_NETWORKS else frozenset()
    candidates = [candidate(item, operation, unstarted) for item in known]
    way = direction_of_run(plan.name, operation, options.direction, candidates)
    busy = _busy([item for item in known if way in {None, _way_from(item)}], operation, now)
    candidates = [
        replace(each, why_not=busy.get(each.item_id, each.why_not)) for each in candidates
    ]
    choice = choose(plan.name, operation, way, candidates)
    taking_part = [item for item in known if str(item.id) not in choice.skipped]
    testing = testing_of_run(plan.name, options, taking_part, now)
    prepare = preparer(options, choice, testing, now)
    addresses = known_addresses(known)
    machines: dict[str, RunMachine] = {}
    operations: list[PreparedOperation] = []
    left_out = set(choice.left_out)
    for item in known:
        reason = choice.skipped.get(str(item.id), "")
        prepared = None
        if str(item.id) in choice.starts:
            prepared = prepare_start(item, now)
        elif not reason:
            try:
                prepared = prepare(item)
                operations.append(prepared)
            except RefusedError as error:
                if operation is not Operation.UNPLANNED_FAILOVER:
                    raise
                reason = _told(error)
                left_out.add(str(item.id))
        machines[str(item.id)] = run_machine(item, operation, prepared, reason, addresses)
    return RunMachines(choice, machines, tuple(operations), testing, frozenset(left_out))


def known_addresses(items: Sequence[ProtectedItem]) -> dict[UUID, tuple[str, ...]]:
    """By item the static addresses that it is to have on the side it does not run on."""
    adapters = adapters_of_items([item.id for item in items])
    found = {}
    for item in items:
        primary = item.active_location == ActiveLocation.RECOVERY
        known = (row.source_address if primary else row.address for row in adapters[item.id])
        found[item.id] = tuple(address for address in known if address)
    return found


def _way_from(item: ProtectedItem) -> FailoverDirection:
    """The way a failover of the item goes."""
    return next(way for way in FailoverDirection if way.source == item.active_location)


def _busy(items: Sequence[ProtectedItem], operation: Operation, now: datetime) -> dict[str, str]:
    """Why machines cannot take part because jobs work on them; those that only wait are ended.

    Raises:
        RefusedError: 532, status 409, naming a job and its machine: unless the run goes without
            it. It does not for a job that keeps the machine in order: that is over in a moment.
    """
    keys = {item_lock(item.id): item for item in items}
    found: dict[str, str] = {}
    running = running_jobs_for(keys).items()
    # Jobs of many machines are held in one order, whichever plans meet at them.
    for key, job in sorted(running, key=lambda each: (each[1].id, each[0])):
        end_housekeeping(keys[key], now)
        try:
            refuse_if_busy(key)
        except RefusedError as error:
            if operation is not Operation.UNPLANNED_FAILOVER or is_housekeeping(job):
                raise
            found[str(keys[key].id)] = _told(error)
    return found


def _told(error: RefusedError) -> str:
    return f"{error.failure.message} {error.failure.recommended_action}"


def candidate(item: ProtectedItem, operation: Operation, unstarted: Collection[UUID]) -> Candidate:
    """A machine of a plan, and what stands against the operation."""
    why_not = ""
    try:
        refuse_unless_allowed(item, operation)
    except RefusedError as error:
        reasons = " ".join(error.failure.possible_causes)
        why_not = f"{reasons} {error.failure.recommended_action}".strip()
    return Candidate(
        item_id=str(item.id),
        name=item.friendly_name,
        active=ActiveLocation(item.active_location),
        why_not=why_not,
        unstarted=item.id in unstarted,
    )


def preparer(
    options: RunOptions, choice: Choice, testing: DrillRun, now: datetime
) -> Callable[[ProtectedItem], PreparedOperation]:
    """What prepares a machine for a run."""
    planned = PlannedFailoverOptions(direction=choice.direction)
    unplanned = UnplannedFailoverOptions(
        direction=choice.direction,
        source_site_operations=options.source_site_operations,
        recovery_tag=options.recovery_tag,
    )
    preparers: dict[Operation, Callable[[ProtectedItem], PreparedOperation]] = {
        Operation.TEST_FAILOVER: lambda item: testing.prepare(item, now),
        Operation.TEST_FAILOVER_CLEANUP: lambda item: testing.prepare(item, now),
        Operation.PLANNED_FAILOVER: lambda item: prepare_planned_failover(item, planned, now),
        Operation.UNPLANNED_FAILOVER: lambda item: prepare_unplanned_failover(item, unplanned, now),
        Operation.COMMIT: lambda item: prepare_commit(item, now),
        Operation.REVERSE_REPLICATE: lambda item: prepare_reverse_replication(item, now),
        Operation.CANCEL_FAILOVER: lambda item: prepare_cancel_failover(item, now),
        Operation.ABANDON_FAILOVER: lambda item: prepare_abandon_failover(item, now),
    }
    return preparers[options.operation]


def run_machine(
    item: ProtectedItem,
    operation: Operation,
    prepared: PreparedOperation | None,
    reason: str,
    addresses: Mapping[UUID, tuple[str, ...]],
) -> RunMachine:
    """A machine of a run; not prepared it is skipped, for the reason."""
    active = ActiveLocation(item.active_location)
    hosts = {
        ActiveLocation.PRIMARY: item.primary_host,
        ActiveLocation.RECOVERY: item.recovery_host,
    }
    return RunMachine(
        child=_child(item, operation, prepared, reason),
        vm_id=item.vm_id,
        name=item.friendly_name,
        source_host=hosts[active],
        target_host=hosts[active.other],
        addresses=addresses[item.id],
    )


def _child(
    item: ProtectedItem, operation: Operation, prepared: PreparedOperation | None, reason: str
) -> ChildJob:
    key = str(item.id)
    if prepared is None:
        return ChildJob(
            key=key,
            scenario=SCENARIOS[operation],
            friendly_name=FRIENDLY_NAMES[operation],
            target=JobTarget(ENTITY, key, item.friendly_name),
            graph=Graph((), ()),
            locks=(item_lock(item.id),),
            skipped_reason=reason,
        )
    return ChildJob(
        key=key,
        scenario=prepared.scenario,
        friendly_name=prepared.friendly_name,
        target=prepared.target,
        graph=prepared.graph,
        locks=prepared.locks,
        arguments=prepared.arguments,
    )
