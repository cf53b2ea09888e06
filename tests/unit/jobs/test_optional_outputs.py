"""A record function may do without the result of a step that only warned."""

from __future__ import annotations

from uuid import uuid4

import pytest

from coordinator.jobs.graph import GraphError, validate_graph
from coordinator.jobs.inputs import decode_inputs, encode_inputs, resolve_inputs
from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec

PROVIDER = str(uuid4())


def graph(output: Output, kind: StepKind = StepKind.RECORD) -> Graph:
    read = StepSpec(
        key="read",
        task="T",
        kind=StepKind.COMMAND,
        action="refresh_host",
        provider=PROVIDER,
        on_failure=FailureRule.WARN,
    )
    user = StepSpec(
        key="use",
        task="T",
        kind=kind,
        action="refresh_host" if kind is StepKind.COMMAND else "some.record",
        provider=PROVIDER if kind is StepKind.COMMAND else None,
        inputs={"host": output},
        after=("read",),
    )
    return Graph((TaskSpec("T", "T"),), (read, user))


def test_a_step_that_only_warns_may_give_an_optional_output() -> None:
    validate_graph(graph(Output("read", "host", optional=True)))
    with pytest.raises(GraphError, match="may fail without stopping"):
        validate_graph(graph(Output("read", "host")))


def test_only_record_functions_can_do_without() -> None:
    with pytest.raises(GraphError, match="only record functions"):
        validate_graph(graph(Output("read", "host", optional=True), StepKind.COMMAND))


def test_what_is_missing_is_none_and_what_is_there_is_itself() -> None:
    inputs = {"a": Output("s", "x", optional=True), "b": [Output("s", "y")]}
    stored = encode_inputs(inputs)
    assert stored == {"a": {"$output": ["s", "x", True]}, "b": [{"$output": ["s", "y"]}]}
    assert decode_inputs(stored) == inputs
    assert resolve_inputs(inputs, {"s": {"y": 1}}) == {"a": None, "b": [1]}
    assert resolve_inputs(inputs, {"s": {"x": 2, "y": 1}}) == {"a": 2, "b": [1]}
    assert resolve_inputs(Output("t", "x", optional=True), {}) is None
