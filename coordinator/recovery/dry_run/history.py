"""What steps took before, put into graphs."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from coordinator.jobs.queries import step_lengths
from coordinator.jobs.rules import all_steps
from coordinator.jobs.steps import Graph, StepKind, StepSpec
from coordinator.recovery.dry_run.durations import (
    Durations,
    Measured,
    kind_of,
    measured_durations,
    with_durations,
)


def durations_of(vault_id: UUID, steps: Iterable[StepSpec]) -> Durations:
    """How long steps of the same actions took in a vault; one query."""
    verbs = {step.action for step in steps if step.kind is StepKind.COMMAND}
    return measured_durations(
        Measured(
            kind_of(found.verb, {"path": found.path}),
            found.slot,
            found.seconds,
            # Of one with a slot nobody knows how long it waited for a place.
            None if found.slot else found.to_claim_seconds + found.to_take_seconds,
        )
        for found in step_lengths(vault_id, verbs)
    )


def with_history(vault_id: UUID, graph: Graph) -> Graph:
    """The graph whose steps say how long they are likely to take, by what they took before."""
    return with_durations(graph, durations_of(vault_id, all_steps(graph)))
