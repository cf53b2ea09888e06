"""Checking a graph before anything of it runs: names, order, and the types of what flows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from coordinator.jobs.inputs import outputs_in
from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec
from coordinator.jobs.verbs import VERBS

INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)


class GraphError(ValueError):
    """A graph that cannot run; the planner that made it is wrong."""


def validate_graph(graph: Graph, *, actions: Collection[str] | None = None) -> None:
    """Checks everything about a graph, without its children, that can be known before it runs.

    Args:
        graph: What a planner returned.
        actions: Names of the record functions and conditions that exist; None: not checked.

    Raises:
        GraphError: Naming the step and what is wrong with it. Trying again cannot help.
    """
    steps = {step.key: step for step in graph.steps}
    if len(steps) != len(graph.steps):
        raise GraphError("two steps have the same key")
    tasks = [task.name for task in graph.tasks]
    if len(set(tasks)) != len(tasks):
        raise GraphError("two tasks have the same name")
    for step in graph.steps:
        _check_step(step, tasks, actions)
        _check_undoing(step, steps)
    order = _order(steps)
    for step in graph.steps:
        for output in outputs_in(step.inputs):
            _check_output(step, output, steps, order)
        if step.kind is StepKind.COMMAND:
            RequestCheck(step, steps).message(step.inputs, VERBS[step.action].request)


def _check_step(step: StepSpec, tasks: Collection[str], actions: Collection[str] | None) -> None:
    if step.task not in tasks:
        raise GraphError(f"{step.key}: no task {step.task!r}")
    if step.time_limit_seconds < (step.kind is not StepKind.MANUAL) or step.attempts < 1:
        raise GraphError(f"{step.key}: needs a time limit and an attempt")
    if step.slot and step.kind is not StepKind.COMMAND:
        raise GraphError(f"{step.key}: only commands take a slot")
    if step.kind is StepKind.COMMAND:
        if step.action not in VERBS:
            raise GraphError(f"{step.key}: no verb {step.action!r}")
        try:
            UUID(step.provider or "")
        except ValueError:
            raise GraphError(f"{step.key}: {step.provider!r} is no provider id") from None
        return
    if step.provider is not None:
        raise GraphError(f"{step.key}: only commands go to a provider")
    named = step.kind not in {StepKind.MANUAL, StepKind.GROUP}
    if named and actions is not None and step.action not in actions:
        raise GraphError(f"{step.key}: no action {step.action!r}")


def _check_undoing(step: StepSpec, steps: Mapping[str, StepSpec]) -> None:
    """Steps that take something back are apart from the others, which know nothing of them."""
    if not step.undoes:
        if any(key in steps and steps[key].undoes for key in step.after):
            raise GraphError(f"{step.key}: comes after a step that takes something back")
        return
    undone = steps.get(step.undoes)
    if undone is None or undone.undoes:
        raise GraphError(f"{step.key}: undoes {step.undoes!r}, which is no step to be undone")
    if step.point_of_no_return or step.gate or step.kind is StepKind.GROUP:
        raise GraphError(f"{step.key}: takes something back, so it has no gate and no members")


@dataclass(frozen=True)
class Order:
    """Which steps end before which others begin.

    Attributes:
        position: Of each step in the graph.
        earlier: For each step the positions of those before it, as bits.
    """

    position: Mapping[str, int]
    earlier: Mapping[str, int]

    def comes_before(self, first: str, second: str) -> bool:
        return bool(self.earlier[second] >> self.position[first] & 1)


def _order(steps: Mapping[str, StepSpec]) -> Order:
    for step in steps.values():
        unknown = [key for key in step.after if key not in steps]
        if unknown:
            raise GraphError(f"{step.key}: comes after {unknown[0]!r}, which is no step")
    try:
        sequence = list(TopologicalSorter({k: s.after for k, s in steps.items()}).static_order())
    except CycleError as error:
        raise GraphError(f"steps wait for each other: {' <- '.join(error.args[1])}") from error
    position = {key: number for number, key in enumerate(steps)}
    earlier: dict[str, int] = {}
    for key in sequence:
        earlier[key] = 0
        for before in steps[key].after:
            earlier[key] |= earlier[before] | 1 << position[before]
    return Order(position, earlier)


def _check_output(
    step: StepSpec, output: Output, steps: Mapping[str, StepSpec], order: Order
) -> None:
    if output.step not in steps or not order.comes_before(output.step, step.key):
        raise GraphError(f"{step.key}: needs {output.step!r}, which is not among those before it")
    other = steps[output.step]
    if output.optional and step.kind is not StepKind.RECORD:
        raise GraphError(f"{step.key}: only record functions can do without {output.step!r}")
    if other.on_failure is FailureRule.WARN and not output.optional:
        raise GraphError(f"{step.key}: needs {output.step!r}, which may fail without stopping")
    if other.kind is StepKind.WAIT:
        raise GraphError(f"{step.key}: {output.step!r} is a wait and gives nothing")
    if other.kind is StepKind.COMMAND:
        result = VERBS[other.action].result
        if output.field not in result.fields_by_name:
            raise GraphError(f"{step.key}: {other.action} gives no {output.field!r}")


@dataclass(frozen=True)
class RequestCheck:
    """Compares the inputs of one command with the types of its verb's request."""

    step: StepSpec
    steps: Mapping[str, StepSpec]

    def message(self, inputs: Mapping[str, object], wanted: Descriptor) -> None:
        """Checks each input against the message's field of that name."""
        for name, value in inputs.items():
            field = wanted.fields_by_name.get(name)
            if field is None:
                raise GraphError(f"{self.step.key}: {wanted.name} has no {name!r}")
            self._field(value, field, wanted)

    def _field(self, value: object, field: FieldDescriptor, holder: Descriptor) -> None:
        if isinstance(value, Output):
            self._output(value, field, repeated=field.is_repeated)
        elif not field.is_repeated:
            self._member(value, field, holder)
        elif isinstance(value, list | tuple):
            for member in value:
                self._member(member, field, holder)
        else:
            raise GraphError(f"{self.step.key}: {field.name} takes a list")

    def _member(self, value: object, field: FieldDescriptor, holder: Descriptor) -> None:
        if isinstance(value, Output):
            self._output(value, field, repeated=False)
        elif isinstance(value, Mapping) and field.message_type is not None:
            self.message(value, field.message_type)
        else:
            self._constant(value, field, holder)

    def _constant(self, value: object, field: FieldDescriptor, holder: Descriptor) -> None:
        """Lets protobuf's own JSON reader decide."""
        message = GetMessageClass(holder)()
        try:
            json_format.ParseDict({field.name: [value] if field.is_repeated else value}, message)
        except json_format.ParseError as error:
            raise GraphError(f"{self.step.key}: {error}") from error

    def _output(self, output: Output, field: FieldDescriptor, *, repeated: bool) -> None:
        other = self.steps[output.step]
        if other.kind is not StepKind.COMMAND:
            # What a record function gives is checked when the command is built.
            return
        given = VERBS[other.action].result.fields_by_name[output.field]
        if given.is_repeated != repeated or _kind(given) != _kind(field):
            raise GraphError(
                f"{self.step.key}: {field.name} does not take {other.action}'s {output.field}"
            )


def _kind(field: FieldDescriptor) -> str:
    """What JSON of the field can be read as; integers of all widths are one kind."""
    if field.message_type is not None:
        return field.message_type.full_name
    if field.enum_type is not None:
        return field.enum_type.full_name
    return "integer" if field.cpp_type in INTEGERS else str(field.type)
