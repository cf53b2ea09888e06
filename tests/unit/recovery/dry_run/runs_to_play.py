"""Runs of known or chosen length for forecasts."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from coordinator.jobs.steps import ChildJob, Graph, JobTarget, StepKind, StepSpec, TaskSpec
from tests.unit.recovery.plans.runs_for_tests import boot, plan, planned, request

PROVIDER = "11111111-1111-4111-8111-111111111111"


def step(key: str, seconds: float, *after: str, slot: str = "", gate: str = "") -> StepSpec:
    return StepSpec(
        key=key,
        task="T",
        kind=StepKind.COMMAND,
        action="stop_virtual_machine",
        provider=PROVIDER,
        after=after,
        slot=slot,
        gate=gate,
        expected_seconds=seconds,
    )


def graph(*steps: StepSpec, children: tuple[ChildJob, ...] = ()) -> Graph:
    return Graph((TaskSpec("T", "Task"),), steps, children)


def child(key: str, *steps: StepSpec, skipped_reason: str = "") -> ChildJob:
    return ChildJob(
        key=key,
        scenario="PlannedFailover",
        friendly_name="x",
        target=JobTarget("ProtectionEntity", key, key),
        graph=graph(*steps),
        skipped_reason=skipped_reason,
    )


def group(key: str, gate: str, members: list[str], *after: str) -> StepSpec:
    return StepSpec(
        key=key,
        task="T",
        kind=StepKind.GROUP,
        action="recovery.plan_group",
        inputs={"members": members, "gate": gate},
        after=after,
    )


# Machines of each group, and what the lengths and hosts of the steps are made of.
RUNS = st.tuples(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 1_000_000))
Drawn = tuple[list[int], int]


def run_of(drawn: Drawn) -> Graph:
    """A run as the planner makes it, every step with a length and some with a host."""
    sizes, seed = drawn
    chance = Random(seed)
    names = iter(f"m{number}" for number in range(sum(sizes)))
    groups = [
        boot(number, [next(names) for _ in range(size)])
        for number, size in enumerate(sizes, start=1)
    ]
    run = planned(request(plan(groups)))

    def timed(spec: StepSpec) -> StepSpec:
        if spec.kind is StepKind.GROUP:
            return spec
        slot = chance.choice(["", "host:a", "host:b"]) if spec.gate else ""
        return replace(spec, expected_seconds=float(chance.randint(0, 20)), slot=slot)

    return replace(
        run,
        steps=tuple(timed(spec) for spec in run.steps),
        children=tuple(
            replace(
                each,
                graph=replace(each.graph, steps=tuple(timed(spec) for spec in each.graph.steps)),
            )
            for each in run.children
        ),
    )
