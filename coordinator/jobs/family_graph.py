"""Checking a graph with the jobs inside it, and how they hang together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coordinator.jobs.graph import GraphError, validate_graph
from coordinator.jobs.steps import ChildJob, Graph, StepKind, StepSpec


def validate_family(graph: Graph, *, actions: Collection[str] | None = None) -> None:
    """Checks a graph, those of its children, and the GROUP steps that join them.

    Args:
        graph: What a planner returned.
        actions: Names of the record functions and conditions that exist; None: not checked.

    Raises:
        GraphError: Naming the child or step and what is wrong with it. Trying again cannot help.
    """
    validate_graph(graph, actions=actions)
    children = {child.key: child for child in graph.children}
    if len(children) != len(graph.children):
        raise GraphError("two children have the same key")
    for child in graph.children:
        _check_child(child, actions)
    _check_groups(graph, children)
    for step in graph.steps:
        # A job without children may be one that is a child elsewhere: then every gate is open.
        if step.gate and graph.children:
            raise GraphError(f"{step.key}: only steps of children have gates")


def _check_child(child: ChildJob, actions: Collection[str] | None) -> None:
    if child.graph.children:
        raise GraphError(f"{child.key}: a child has no children of its own")
    if any(step.kind is StepKind.GROUP for step in child.graph.steps):
        raise GraphError(f"{child.key}: only the root has GROUP steps")
    try:
        validate_graph(child.graph, actions=actions)
    except GraphError as error:
        raise GraphError(f"{child.key}: {error}") from error


def _check_groups(graph: Graph, children: Mapping[str, ChildJob]) -> None:
    opened: dict[str, set[str]] = {key: set() for key in children}
    for step in graph.steps:
        if step.kind is not StepKind.GROUP:
            continue
        gate = gate_of(step.inputs)
        for member in members_of(step.inputs):
            if member not in children:
                raise GraphError(f"{step.key}: {member!r} is no child")
            if gate in opened[member]:
                raise GraphError(f"{step.key}: the gate {gate!r} of {member!r} is opened twice")
            opened[member].add(gate)
    for key, gates in opened.items():
        child = children[key]
        if "" not in gates and not child.skipped_reason:
            _check_gates(child, gates)


def _check_gates(child: ChildJob, opened: Collection[str]) -> None:
    shut = [step for step in child.graph.steps if step.gate and step.gate not in opened]
    if shut:
        raise GraphError(f"{child.key}: no GROUP step opens {shut[0].gate!r} for {shut[0].key!r}")


def members_of(inputs: Mapping[str, object]) -> tuple[str, ...]:
    """Keys of the children that a GROUP step waits for.

    Raises:
        GraphError: They are no list of keys.
    """
    members = inputs.get("members")
    if not isinstance(members, list | tuple) or not all(isinstance(m, str) for m in members):
        raise GraphError("the members of a GROUP step are a list of keys")
    return tuple(str(member) for member in members)


def gate_of(inputs: Mapping[str, object]) -> str:
    """The gate that a GROUP step opens; empty: all of them."""
    return str(inputs.get("gate", ""))


def all_steps(graph: Graph) -> list[StepSpec]:
    """The steps of the graph and of its children."""
    return [*graph.steps, *(step for child in graph.children for step in child.graph.steps)]
