"""Graphs are checked whole before anything of them runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coordinator.jobs.graph import GraphError, validate_graph
from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec

PROVIDER = "11111111-2222-4333-8444-555555555555"
TASKS = (TaskSpec("Prepare", "Prepare"), TaskSpec("Pair", "Pair"))
VM = {"vm_id": "7", "host": "hv1"}


def command(key: str, verb: str, *after: str, **inputs: object) -> StepSpec:
    return StepSpec(
        key=key,
        task="Prepare",
        kind=StepKind.COMMAND,
        action=verb,
        provider=PROVIDER,
        inputs=inputs,
        after=after,
    )


def record(key: str, *after: str, **inputs: object) -> StepSpec:
    return StepSpec(
        key=key, task="Pair", kind=StepKind.RECORD, action="do", inputs=inputs, after=after
    )


READ = command("read", "read_host_replication", host="hv1")
ISSUE = command("issue", "prepare_host_certificate", host="hv1", dns_names=["hv1"])


def check(*steps: StepSpec, tasks: tuple[TaskSpec, ...] = TASKS) -> None:
    validate_graph(Graph(tasks, steps))


def test_a_right_graph_is_accepted() -> None:
    sign = record("sign", "issue", request=Output("issue", "certificate_request"))
    install = command(
        "install",
        "install_host_certificate",
        "sign",
        host=Output("read", "host"),
        certificate=Output("sign", "certificate"),
    )
    configure = command(
        "configure",
        "configure_replication_server",
        "install",
        host="hv1",
        port=Output("read", "port"),
        authentication_type=Output("read", "authentication_type"),
        certificate_thumbprint=Output("install", "thumbprint"),
        authorizations=[
            {
                "allowed_primary_server": Output("install", "host"),
                "replica_storage_location": Output("read", "virtual_hard_disk_path"),
                "trust_group": "t",
            }
        ],
    )
    check(READ, replace(ISSUE, after=("read",)), sign, install, configure)


def test_a_repeated_field_may_be_the_whole_output() -> None:
    check(
        READ,
        command(
            "configure",
            "configure_replication_server",
            "read",
            authorizations=Output("read", "authorizations"),
        ),
    )


def test_an_empty_graph_is_accepted() -> None:
    check()


def test_an_output_may_come_from_far_before() -> None:
    check(
        READ, record("a", "read"), record("b", "a"), record("c", "b", host=Output("read", "host"))
    )


def test_a_time_is_checked_by_protobuf_s_own_reader() -> None:
    check(command("a", "start_initial_replication", vm=VM, start_time="2026-01-02T03:04:05Z"))
    with pytest.raises(GraphError, match="a: "):
        check(command("a", "start_initial_replication", vm=VM, start_time="tomorrow"))


WRONG: list[tuple[str, tuple[StepSpec, ...]]] = [
    ("two steps have the same key", (READ, READ)),
    ("read: no task 'Other'", (replace(READ, task="Other"),)),
    ("read: no verb 'format_disk'", (replace(READ, action="format_disk"),)),
    ("read: None is no provider id", (replace(READ, provider=None),)),
    ("read: 'x' is no provider id", (replace(READ, provider="x"),)),
    ("r: only commands go to a provider", (replace(record("r"), provider=PROVIDER),)),
    ("read: needs a time limit", (replace(READ, time_limit_seconds=0),)),
    ("read: needs a time limit and an attempt", (replace(READ, attempts=0),)),
    ("r: comes after 'x', which is no step", (record("r", "x"),)),
    ("wait for each other", (record("a", "b"), record("b", "a"))),
    ("wait for each other", (record("a", "a"),)),
    ("r: needs 'x', which is not among those before", (record("r", a=Output("x", "host")),)),
    ("r: needs 'read', which is not among", (READ, record("r", a=Output("read", "host")))),
    ("read: needs 'read', which is not", (replace(READ, inputs={"host": Output("read", "host")}),)),
    ("r: read_host_replication gives no 'x'", (READ, record("r", "read", a=Output("read", "x")))),
    (
        "r: needs 'read', which may fail without stopping",
        (replace(READ, on_failure=FailureRule.WARN), record("r", "read", a=Output("read", "host"))),
    ),
    (
        "r: 'w' is a wait and gives nothing",
        (replace(record("w"), kind=StepKind.WAIT), record("r", "w", a=Output("w", "host"))),
    ),
    ("read: ReadHostReplication has no 'hosts'", (replace(READ, inputs={"hosts": "hv1"}),)),
    ("read: ", (replace(READ, inputs={"host": 5}),)),
    ("issue: dns_names takes a list", (replace(ISSUE, inputs={"dns_names": "hv1"}),)),
    ("a: VirtualMachineRef has no 'id'", (command("a", "read_virtual_machine", vm={"id": "7"}),)),
    (
        "a: host does not take read_host_replication's port",
        (READ, command("a", "refresh_host", "read", host=Output("read", "port"))),
    ),
    (
        "a: host does not take read_host_replication's authorizations",
        (READ, command("a", "refresh_host", "read", host=Output("read", "authorizations"))),
    ),
    (
        "a: dns_names does not take read_host_replication's host",
        (READ, command("a", "prepare_host_certificate", "read", dns_names=Output("read", "host"))),
    ),
]


@pytest.mark.parametrize(("message", "steps"), WRONG, ids=[message for message, _ in WRONG])
def test_a_wrong_graph_is_refused_with_the_step_named(
    message: str, steps: tuple[StepSpec, ...]
) -> None:
    with pytest.raises(GraphError) as refusal:
        check(*steps)
    assert message in str(refusal.value)


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(GraphError, match="two tasks"):
        check(tasks=(TASKS[0], TASKS[0]))


def test_an_action_that_does_not_exist_is_refused_when_the_names_are_given() -> None:
    graph = Graph(TASKS, (record("r"),))
    validate_graph(graph, actions={"do"})
    with pytest.raises(GraphError, match="r: no action 'do'"):
        validate_graph(graph, actions={"other"})


def test_a_chain_of_ten_thousand_steps_is_checked() -> None:
    later = [
        record(f"s{number}", f"s{number - 1}", a=Output("s0", "x")) for number in range(1, 10_000)
    ]
    check(record("s0"), *later)
