"""Runs of plans for tests: machines whose jobs have the gates of real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordinator.jobs.family_graph import validate_family
from coordinator.jobs.steps import (
    ChildJob,
    Graph,
    JobTarget,
    StepKind,
    StepSpec,
    TaskSpec,
)
from coordinator.protection.rules import Operation
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.gates import Gate
from coordinator.recovery.plans.records import (
    Action,
    ActionRule,
    FailoverType,
    GroupRecord,
    GroupType,
    ManualAction,
    PlanRecord,
    ScriptAction,
)
from coordinator.recovery.plans.runs.planner import plan_run
from coordinator.recovery.plans.runs.requests import Environment, RunMachine, RunRequest, RunServer

FORWARD = FailoverDirection.PRIMARY_TO_RECOVERY
BACK = FailoverDirection.RECOVERY_TO_PRIMARY
PRIMARY_PROVIDER = "11111111-1111-4111-8111-111111111111"
RECOVERY_PROVIDER = "22222222-2222-4222-8222-222222222222"
ALL_TYPES = tuple(FailoverType)
BOTH_WAYS = tuple(FailoverDirection)


def record(key: str, gate: str = "", after: Sequence[str] = (), action: str = "noop") -> StepSpec:
    return StepSpec(
        key=key, task="T", kind=StepKind.RECORD, action=action, gate=gate, after=tuple(after)
    )


def machine_graph(operation: Operation, *, source: bool = True) -> Graph:
    """What the planners of single machines give, with nothing but the order of their gates."""
    steps = [record("read"), record("check", after=["read"])]
    before = "check"
    if operation is Operation.PLANNED_FAILOVER or (
        operation is Operation.UNPLANNED_FAILOVER and source
    ):
        steps.append(record("shut-down", Gate.SHUTDOWN, [before]))
        before = "shut-down"
    steps.append(record("failover", Gate.FAILOVER, [before]))
    steps.append(record("failed-over", after=["failover"]))
    if operation in {
        Operation.PLANNED_FAILOVER,
        Operation.UNPLANNED_FAILOVER,
        Operation.TEST_FAILOVER,
    }:
        steps.append(record("start", Gate.BOOT, ["failed-over"]))
    return Graph(tasks=(TaskSpec("T", "Task"),), steps=tuple(steps))


def machine(
    item_id: str, operation: Operation, *, skipped_reason: str = "", source: bool = True
) -> RunMachine:
    graph = Graph((), ()) if skipped_reason else machine_graph(operation, source=source)
    return RunMachine(
        child=ChildJob(
            key=item_id,
            scenario=str(operation),
            friendly_name="x",
            target=JobTarget("ProtectionEntity", item_id, item_id.upper()),
            graph=graph,
            locks=(f"item:{item_id}",),
            skipped_reason=skipped_reason,
        ),
        vm_id=f"vm-{item_id}",
        name=item_id.upper(),
        source_host="hv1.shanghai.test",
        target_host="hv1.beijing.test",
        addresses=("10.2.0.7",),
    )


def script(
    name: str,
    *,
    side: ActiveLocation = ActiveLocation.RECOVERY,
    types: Sequence[FailoverType] = ALL_TYPES,
    directions: Sequence[FailoverDirection] = BOTH_WAYS,
    rule: ActionRule | None = None,
) -> ScriptAction:
    return ScriptAction(
        name=name,
        failover_types=tuple(types),
        failover_directions=tuple(directions),
        failure_rule=rule,
        side=side,
        path=rf"RPScripts\{name}.ps1",
        time_limit_seconds=60,
    )


def manual(
    name: str, *, types: Sequence[FailoverType] = ALL_TYPES, limit_seconds: int | None = None
) -> ManualAction:
    return ManualAction(
        name=name,
        failover_types=tuple(types),
        failover_directions=BOTH_WAYS,
        instructions=f"Do {name}.",
        time_limit_seconds=limit_seconds,
    )


def plan(groups: Sequence[GroupRecord], **phases: GroupRecord) -> PlanRecord:
    return PlanRecord(
        id="33333333-3333-4333-8333-333333333333",
        vault_id="v",
        name="Shop",
        revision=1,
        primary_fabric_id="p",
        recovery_fabric_id="r",
        groups=tuple(groups),
        **phases,
    )


def boot(
    number: int,
    items: Sequence[str],
    start_actions: tuple[Action, ...] = (),
    end_actions: tuple[Action, ...] = (),
) -> GroupRecord:
    return GroupRecord(
        type=GroupType.BOOT,
        number=number,
        item_ids=tuple(items),
        start_actions=start_actions,
        end_actions=end_actions,
    )


def phase(
    kind: GroupType,
    start_actions: tuple[Action, ...] = (),
    end_actions: tuple[Action, ...] = (),
) -> GroupRecord:
    return GroupRecord(type=kind, number=0, start_actions=start_actions, end_actions=end_actions)


def request(  # noqa: PLR0913 - each is one thing about a run that tests vary
    record: PlanRecord,
    operation: Operation = Operation.PLANNED_FAILOVER,
    direction: FailoverDirection | None = FORWARD,
    *,
    source: bool = True,
    skipped: Mapping[str, str] | None = None,
    connected: bool = True,
    environment: Environment | None = None,
) -> RunRequest:
    reasons = skipped or {}
    return RunRequest(
        plan=record,
        operation=operation,
        direction=direction,
        source_site_operations=source,
        machines={
            item_id: machine(
                item_id, operation, skipped_reason=reasons.get(item_id, ""), source=source
            )
            for item_id in record.item_ids
        },
        servers={
            ActiveLocation.PRIMARY: RunServer(
                name="VMM-Shanghai", provider_id=PRIMARY_PROVIDER, connected=connected
            ),
            ActiveLocation.RECOVERY: RunServer(
                name="VMM-Beijing", provider_id=RECOVERY_PROVIDER, connected=True
            ),
        },
        environment=environment or Environment(),
    )


def planned(run: RunRequest) -> Graph:
    """The graph, which must be one that the engine takes."""
    graph = plan_run(run)
    validate_family(graph)
    return graph
