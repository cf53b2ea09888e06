"""Runs of plans: phases, groups, actions and gates, whatever the plan looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.jobs.family_graph import gate_of, members_of
from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec
from coordinator.protection.rules import Operation
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.records import (
    Action,
    ActionRule,
    FailoverType,
    GroupRecord,
    GroupType,
    PlanRecord,
)
from coordinator.recovery.plans.runs.requests import Environment
from tests.unit.recovery.plans.runs_for_tests import (
    BACK,
    FORWARD,
    PRIMARY_PROVIDER,
    RECOVERY_PROVIDER,
    boot,
    manual,
    phase,
    plan,
    planned,
    record,
    request,
    script,
)

pytestmark = pytest.mark.spec("RP-1")

FAILOVERS = (Operation.TEST_FAILOVER, Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER)
WHOLE = (
    Operation.TEST_FAILOVER_CLEANUP,
    Operation.COMMIT,
    Operation.REVERSE_REPLICATE,
    Operation.CANCEL_FAILOVER,
)


def tasks(graph: Graph) -> list[str]:
    return [task.name for task in graph.tasks]


def step(graph: Graph, key: str) -> StepSpec:
    return next(each for each in graph.steps if each.key == key)


def groups(graph: Graph) -> list[tuple[str, tuple[str, ...]]]:
    """Gate and members of each GROUP step, in order."""
    return [
        (gate_of(each.inputs), members_of(each.inputs))
        for each in graph.steps
        if each.kind is StepKind.GROUP
    ]


def context(graph: Graph, key: str) -> Mapping[str, object]:
    return dict(json.loads(str(step(graph, f"{key}/run").inputs["context"])))


def test_an_unplanned_run_has_the_tasks_that_asr_recorded() -> None:
    graph = planned(
        request(plan([boot(1, ["a", "b"])]), Operation.UNPLANNED_FAILOVER, source=False)
    )
    assert [(task.name, task.friendly_name) for task in graph.tasks] == [
        ("RpSrsPrerequisitesCheck", "Checking prerequisites for the recovery plan"),
        ("RpEnvironmentCreationTask", "Create the environment"),
        ("FailoverAllActionGroup", "All groups: Failover (2)"),
        ("Group1", "Group 1: Start (2)"),
        ("EndRecoveryPlanTask", "Finalizing the recovery plan"),
    ]


def test_a_planned_run_checks_all_then_shuts_down_backwards_then_starts_in_order() -> None:
    graph = planned(request(plan([boot(1, ["a"]), boot(2, ["b", "c"]), boot(3, ["d"])])))
    everything = ("a", "b", "c", "d")
    assert groups(graph) == [
        ("check", everything),
        ("shutdown", ("d",)),
        ("shutdown", ("b", "c")),
        ("shutdown", ("a",)),
        ("failover", everything),
        ("boot", ("a",)),
        ("boot", ("b", "c")),
        ("boot", ("d",)),
    ]
    for child in graph.children:
        assert {each.key: each.gate for each in child.graph.steps} == {
            "read": "check",
            "check": "check",
            "shut-down": "shutdown",
            "failover": "failover",
            "failed-over": "",
            "start": "boot",
        }


@pytest.mark.spec("FO-1")
def test_a_test_shuts_nothing_down() -> None:
    graph = planned(request(plan([boot(1, ["a"])]), Operation.TEST_FAILOVER))
    assert [gate for gate, _ in groups(graph)] == ["check", "failover", "boot"]


@pytest.mark.spec("FO-3")
def test_an_unplanned_run_waits_for_no_checks_and_shuts_down_if_asked() -> None:
    record_ = plan([boot(1, ["a"])])
    asked = planned(request(record_, Operation.UNPLANNED_FAILOVER, source=True))
    assert [gate for gate, _ in groups(asked)] == ["shutdown", "failover", "boot"]
    not_asked = planned(request(record_, Operation.UNPLANNED_FAILOVER, source=False))
    assert [gate for gate, _ in groups(not_asked)] == ["failover", "boot"]
    assert not_asked.children[0].graph.steps[0].gate == ""


@pytest.mark.spec("RP-3")
@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        (Operation.TEST_FAILOVER, FailureRule.STOP),
        (Operation.PLANNED_FAILOVER, FailureRule.STOP),
        (Operation.UNPLANNED_FAILOVER, FailureRule.WARN),
        (Operation.COMMIT, FailureRule.WARN),
    ],
)
def test_what_a_failed_machine_means(operation: Operation, rule: FailureRule) -> None:
    graph = planned(request(plan([boot(1, ["a"])]), operation))
    assert {each.on_failure for each in graph.steps if each.kind is StepKind.GROUP} == {rule}


@pytest.mark.spec("RP-5")
@pytest.mark.parametrize("operation", WHOLE)
def test_other_operations_are_done_to_all_machines_at_once(operation: Operation) -> None:
    actions = (script("s"), manual("m"))
    record_ = plan([boot(1, ["a"], start_actions=actions), boot(2, ["b"])])
    graph = planned(request(record_, operation, None))
    assert groups(graph) == [("", ("a", "b"))]
    assert [each.key for each in graph.steps] == ["begin", "machines", "end"]


@pytest.mark.spec("RP-2")
def test_actions_stand_before_and_after_their_phase_one_after_the_other() -> None:
    graph = planned(
        request(
            plan(
                [
                    boot(1, ["a"], start_actions=(script("s1"), manual("m1"))),
                    boot(2, ["b"], end_actions=(script("s2"),)),
                ],
                shutdown=phase(GroupType.SHUTDOWN, start_actions=(manual("first"),)),
                failover=phase(GroupType.FAILOVER, end_actions=(script("last"),)),
            )
        )
    )
    assert tasks(graph)[2:-1] == [
        "shutdown/start/1",
        "Group2Shutdown",
        "Group1Shutdown",
        "FailoverAllActionGroup",
        "failover/end/1",
        "group-1/start/1",
        "group-1/start/2",
        "Group1",
        "Group2",
        "group-2/end/1",
    ]
    chain = [each.key for each in graph.steps]
    for before, after in pairwise(chain):
        assert step(graph, after).after == (before,)
    friendly = {task.name: task.friendly_name for task in graph.tasks}
    assert friendly["group-1/start/1"] == "Script before group 1: s1"
    assert friendly["group-2/end/1"] == "Script after group 2: s2"
    assert friendly["shutdown/start/1"] == "Manual action before shutdown: first"


@pytest.mark.spec("RP-2")
@pytest.mark.parametrize("operation", FAILOVERS)
@pytest.mark.parametrize("direction", FailoverDirection)
def test_actions_are_of_their_types_and_directions(
    operation: Operation, direction: FailoverDirection
) -> None:
    kind = FailoverType(str(operation))
    others = [each for each in FailoverType if each is not kind]
    back = BACK if direction is FORWARD else FORWARD
    actions = (
        script("here", types=[kind], directions=[direction]),
        script("other-type", types=others),
        script("other-way", directions=[back]),
    )
    graph = planned(request(plan([boot(1, ["a"], start_actions=actions)]), operation, direction))
    assert [name for name in tasks(graph) if name.startswith("group-1/")] == ["group-1/start/1"]


@pytest.mark.spec("RP-2")
def test_a_script_runs_once_on_its_side_within_its_time() -> None:
    first = replace(script("p", side=ActiveLocation.PRIMARY), sha256="5e" * 32)
    actions = (first, script("r"))
    graph = planned(request(plan([boot(1, ["a"], start_actions=actions)])))
    primary = step(graph, "group-1/start/1/run")
    assert primary.provider == PRIMARY_PROVIDER
    assert step(graph, "group-1/start/2/run").provider == RECOVERY_PROVIDER
    assert (primary.action, primary.attempts) == ("run_plan_script", 1)
    assert primary.inputs["script_time_limit"] == "60s"
    assert primary.inputs["sha256"] == "5e" * 32
    assert not step(graph, "group-1/start/2/run").inputs["sha256"]
    assert primary.time_limit_seconds > 60
    assert primary.inputs["path"] == r"RPScripts\p.ps1"


@pytest.mark.spec("RP-3")
@pytest.mark.parametrize(
    ("operation", "rule", "expected"),
    [
        (Operation.PLANNED_FAILOVER, None, FailureRule.STOP),
        (Operation.TEST_FAILOVER, None, FailureRule.STOP),
        (Operation.UNPLANNED_FAILOVER, None, FailureRule.WARN),
        (Operation.PLANNED_FAILOVER, ActionRule.CONTINUE, FailureRule.WARN),
        (Operation.UNPLANNED_FAILOVER, ActionRule.STOP, FailureRule.STOP),
    ],
)
def test_what_a_failed_script_means(
    operation: Operation, rule: ActionRule | None, expected: FailureRule
) -> None:
    graph = planned(
        request(plan([boot(1, ["a"], start_actions=(script("s", rule=rule),))]), operation)
    )
    run, judge = (step(graph, f"group-1/start/1/{part}") for part in ("run", "judge"))
    assert (run.on_failure, judge.on_failure) == (expected, expected)
    outcome = judge.inputs["outcome"]
    assert outcome == Output(run.key, "outcome", optional=expected is FailureRule.WARN)


@pytest.mark.spec("RP-2")
@pytest.mark.parametrize(
    ("operation", "rule", "left_out"),
    [
        (Operation.UNPLANNED_FAILOVER, None, True),
        (Operation.UNPLANNED_FAILOVER, ActionRule.STOP, False),
        (Operation.PLANNED_FAILOVER, None, False),
        (Operation.PLANNED_FAILOVER, ActionRule.CONTINUE, False),
    ],
)
def test_a_script_on_a_server_that_is_away(
    operation: Operation, rule: ActionRule | None, *, left_out: bool
) -> None:
    action = script("s", side=ActiveLocation.PRIMARY, rule=rule)
    graph = planned(
        request(plan([boot(1, ["a"], end_actions=(action,))]), operation, connected=False)
    )
    [task] = [each for each in graph.tasks if each.name == "group-1/end/1"]
    assert ("not connected" in task.skipped_reason) is left_out
    assert any(each.task == task.name for each in graph.steps) is not left_out


@pytest.mark.spec("RP-2")
def test_actions_around_a_shutdown_that_is_not_done_are_shown_as_left_out() -> None:
    record_ = plan(
        [boot(1, ["a"])], shutdown=phase(GroupType.SHUTDOWN, start_actions=(script("s"),))
    )
    graph = planned(request(record_, Operation.TEST_FAILOVER))
    [task] = [each for each in graph.tasks if each.name == "shutdown/start/1"]
    assert task.skipped_reason
    assert not [each for each in graph.steps if each.task == task.name]


@pytest.mark.spec("RP-2")
def test_a_manual_action_waits_for_ever_and_tells_somebody_if_it_has_a_limit() -> None:
    actions = (manual("m"), manual("n", limit_seconds=900))
    graph = planned(request(plan([boot(1, ["a"], start_actions=actions)])))
    assert step(graph, "group-1/start/1").time_limit_seconds == 0
    limited = step(graph, "group-1/start/2")
    assert (limited.kind, limited.time_limit_seconds) == (StepKind.MANUAL, 900)
    assert limited.inputs["instructions"] == "Do n."


@pytest.mark.spec("RP-4")
def test_a_script_is_told_of_the_plan_and_the_machines_of_its_group() -> None:
    record_ = plan(
        [
            boot(1, ["a"], start_actions=(script("s"),)),
            boot(2, ["b"], start_actions=(script("t"),)),
        ],
        failover=phase(GroupType.FAILOVER, start_actions=(script("u"),)),
    )
    graph = planned(request(record_, Operation.TEST_FAILOVER, skipped={"b": "Over already."}))
    assert context(graph, "group-1/start/1") == {
        "RecoveryPlanName": "Shop",
        "FailoverType": "Test",
        "FailoverDirection": "PrimaryToRecovery",
        "GroupId": "1",
        "VmMap": {
            "vm-a": {
                "Name": "A",
                "SourceHost": "hv1.shanghai.test",
                "TargetHost": "hv1.beijing.test",
                "IPAddresses": ["10.2.0.7"],
                "SkippedReason": "",
            }
        },
    }
    second = context(graph, "group-2/start/1")
    machines = second["VmMap"]
    assert isinstance(machines, dict)
    assert machines["vm-b"]["SkippedReason"] == "Over already."
    assert context(graph, "failover/start/1")["GroupId"] == "Failover"
    everything = context(graph, "failover/start/1")["VmMap"]
    assert isinstance(everything, dict)
    assert set(everything) == {"vm-a", "vm-b"}


@pytest.mark.spec("RP-1")
def test_a_machine_that_is_over_already_is_shown_and_skipped() -> None:
    record_ = plan([boot(1, ["a", "b"])])
    graph = planned(request(record_, skipped={"a": "It runs there already."}))
    by_key = {child.key: child for child in graph.children}
    assert by_key["a"].skipped_reason == "It runs there already."
    assert by_key["a"].graph.steps == ()
    assert ("failover", ("a", "b")) in groups(graph)


@pytest.mark.spec("FO-1")
def test_what_is_created_for_a_test_comes_first_and_goes_last() -> None:
    record_ = plan([boot(1, ["a"])])
    create = (record("net/make"), record("net/look", after=["net/make"]), record("net/other"))
    environment = Environment(
        steps=tuple(_of(each, "RpEnvironmentCreationTask") for each in create)
    )
    graph = planned(request(record_, Operation.TEST_FAILOVER, environment=environment))
    assert step(graph, "failover").after == ("net/look", "net/other")
    assert step(graph, "net/make").after == ("machines",)
    removal = Environment(removal=(_of(record("net/remove"), "EndRecoveryPlanTask"),))
    graph = planned(request(record_, Operation.TEST_FAILOVER_CLEANUP, None, environment=removal))
    assert step(graph, "net/remove").after == ("machines",)
    # While a machine may use the network it stays.
    assert step(graph, "machines").on_failure is FailureRule.STOP


def _of(spec: StepSpec, task: str) -> StepSpec:
    return StepSpec(key=spec.key, task=task, kind=spec.kind, action=spec.action, after=spec.after)


@st.composite
def plans(draw: st.DrawFn) -> PlanRecord:
    names = [f"m{number}" for number in range(draw(st.integers(1, 12)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(names)), max_size=6)))
    parts = [names[a:b] for a, b in zip([0, *cuts], [*cuts, len(names)], strict=True)]
    counter = iter(range(1000))

    def actions() -> tuple[Action, ...]:
        return tuple(
            manual(f"x{next(counter)}", types=draw(some_types))
            if draw(st.booleans())
            else script(
                f"x{next(counter)}",
                types=draw(some_types),
                side=draw(st.sampled_from(ActiveLocation)),
                rule=draw(st.none() | st.sampled_from(ActionRule)),
            )
            for _ in range(draw(st.integers(0, 2)))
        )

    def made(kind: GroupType, number: int, items: list[str]) -> GroupRecord:
        return GroupRecord(
            type=kind,
            number=number,
            item_ids=tuple(items),
            start_actions=actions(),
            end_actions=actions(),
        )

    some_types = st.lists(st.sampled_from(FailoverType), min_size=1, unique=True)
    return plan(
        [made(GroupType.BOOT, number, items) for number, items in enumerate(parts, start=1)],
        shutdown=made(GroupType.SHUTDOWN, 0, []),
        failover=made(GroupType.FAILOVER, 0, []),
    )


@settings(max_examples=150, deadline=None)
@given(
    plans(),
    st.sampled_from((*FAILOVERS, *WHOLE)),
    st.sampled_from(FailoverDirection),
    st.booleans(),
    st.data(),
)
def test_whatever_the_plan_every_machine_is_treated_once_and_in_order(
    record_: PlanRecord,
    operation: Operation,
    direction: FailoverDirection,
    source: bool,
    data: st.DataObject,
) -> None:
    skipped = data.draw(st.sets(st.sampled_from(record_.item_ids)))
    reasons = dict.fromkeys(skipped, "It is over already.")
    run = request(record_, operation, direction, source=source, skipped=reasons)
    # The engine takes it: no gate without its opener, no step waits for itself.
    graph = planned(run)
    assert sorted(child.key for child in graph.children) == sorted(record_.item_ids)
    for gate in {gate for gate, _ in groups(graph)}:
        opened = [each for g, members in groups(graph) if g == gate for each in members]
        wanted = list(record_.item_ids)
        if gate == "shutdown":
            wanted = [each for group in reversed(record_.groups) for each in group.item_ids]
        assert opened == wanted
    order = [gate for gate, _ in groups(graph)]
    ranks = {"check": 0, "shutdown": 1, "failover": 2, "boot": 3, "": 4}
    assert [ranks[gate] for gate in order] == sorted(ranks[gate] for gate in order)
    _actions_belong(graph, record_, operation, direction)


def _actions_belong(
    graph: Graph, record_: PlanRecord, operation: Operation, direction: FailoverDirection
) -> None:
    kind = FailoverType(str(operation)) if operation in FAILOVERS else None
    wanted = {
        placed.key
        for placed in record_.actions()
        if kind is not None and placed.action.applies(kind, direction)
    }
    assert {task for task in tasks(graph) if "/" in task} == wanted
    place = {each.key: number for number, each in enumerate(graph.steps)}
    for group in record_.groups:
        for each in graph.steps:
            if each.key.startswith(f"{group.key}/start/"):
                assert place[each.key] < place[group.key]
                assert place[each.key] > place["failover"]
            if each.key.startswith(f"{group.key}/end/"):
                assert place[each.key] > place[group.key]
