"""Which step has most still before it: what is begun first when not everything can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from coordinator.jobs.steps import StepKind, StepSpec

# What a step counts for in a job's progress when nobody knows how long it takes.
UNKNOWN_SECONDS = 1.0


def urgencies(steps: Sequence[StepSpec]) -> Mapping[str, float]:
    """Seconds of the longest path from the beginning of each step to the end of the job, by key.

    Steps that take something back are not on any path.
    """
    by_key = {step.key: step for step in steps}
    longest = {step.key: 0.0 for step in steps}
    forwards = {step.key: step.after for step in steps if not step.undoes}
    for key in reversed(list(TopologicalSorter(forwards).static_order())):
        longest[key] += by_key[key].expected_seconds
        for before in by_key[key].after:
            longest[before] = max(longest[before], longest[key])
    return longest


def work_seconds(kind: str, expected_seconds: float, undoes: str) -> float:
    """What a step counts for in the progress of its job.

    A GROUP step counts for nothing beside its members, nor does waiting for a person, nor what is
    only done if something goes wrong.
    """
    if undoes or kind in {StepKind.GROUP, StepKind.MANUAL}:
        return 0.0
    return expected_seconds or UNKNOWN_SECONDS
