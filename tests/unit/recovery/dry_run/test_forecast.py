"""Forecasts: runs of known length, and what holds for any run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.family_graph import gate_of, members_of, validate_family
from coordinator.jobs.steps import Graph, StepKind
from coordinator.jobs.urgency import urgencies
from coordinator.recovery.dry_run.durations import Durations
from coordinator.recovery.dry_run.forecast import WaitedFor, forecast
from coordinator.recovery.dry_run.playing import Play, PlayedStep
from tests.unit.recovery.dry_run.runs_to_play import RUNS, Drawn, child, graph, group, run_of, step
from tests.unit.recovery.plans.runs_for_tests import boot, manual, plan, planned, request

pytestmark = pytest.mark.spec("RP-6")


def path(found: Graph, slots: int = 6) -> list[tuple[str, str, str]]:
    return [
        (part.machine, part.step, part.waited_for) for part in forecast(found, slots).critical_path
    ]


def test_steps_follow_each_other() -> None:
    chain = graph(step("a", 2), step("b", 3, "a"), step("beside", 4))
    assert forecast(chain, 6).seconds == 5
    assert path(chain) == [("", "a", WaitedFor.NOTHING), ("", "b", WaitedFor.ORDER)]


def test_a_host_works_on_so_many_at_once_and_the_longest_goes_first() -> None:
    three = graph(step("a", 2, slot="h"), step("b", 3, slot="h"), step("c", 4, slot="h"))
    assert forecast(three, 3).seconds == 4
    # c, then a beside b: 4 with two places would be 4 + 0; b ends at 3, a at 5.
    assert forecast(three, 2).seconds == 5
    assert path(three, 2) == [("", "b", WaitedFor.NOTHING), ("", "a", WaitedFor.HOST)]
    assert forecast(three, 1).seconds == 9
    assert path(three, 1) == [
        ("", "c", WaitedFor.NOTHING),
        ("", "b", WaitedFor.HOST),
        ("", "a", WaitedFor.HOST),
    ]


def test_groups_start_one_after_the_other() -> None:
    members = (
        child("one", step("move", 1, gate="failover"), step("boot", 5, "move", gate="boot")),
        child("two", step("move", 7, gate="failover"), step("boot", 2, "move", gate="boot")),
    )
    run = graph(
        group("failover", "failover", ["one", "two"]),
        group("group-1", "boot", ["one"], "failover"),
        step("script", 10, "group-1"),
        group("group-2", "boot", ["two"], "script"),
        children=members,
    )
    validate_family(run)
    found = forecast(run, 6)
    assert found.seconds == 7 + 5 + 10 + 2
    assert [(each.key, each.begins_seconds, each.ends_seconds) for each in found.phases] == [
        ("failover", 0, 7),
        ("group-1", 7, 12),
        ("group-2", 22, 24),
    ]
    assert path(run) == [
        ("two", "move", WaitedFor.GROUP),
        ("one", "boot", WaitedFor.GROUP),
        ("", "script", WaitedFor.ORDER),
        ("two", "boot", WaitedFor.GROUP),
    ]


def test_a_machine_that_is_skipped_holds_up_nothing() -> None:
    members = (child("one", step("boot", 5, gate="boot"), skipped_reason="It is over already."),)
    run = graph(group("group-1", "boot", ["one"]), step("after", 1, "group-1"), children=members)
    assert forecast(run, 6).seconds == 1


def test_what_takes_something_back_is_not_played() -> None:
    undone = replace(step("undo", 100, "a"), undoes="a")
    assert forecast(graph(step("a", 2), undone), 6).seconds == 2


def test_a_run_that_does_nothing_takes_no_time() -> None:
    assert forecast(graph(), 6).seconds == 0
    assert not forecast(graph(), 6).critical_path


def test_manual_actions_are_counted_and_take_no_time() -> None:
    record = plan([boot(1, ["a"], (manual("Look"),))])
    found = forecast(planned(request(record)), 6)
    assert (found.manual_actions, found.seconds) == (1, 0)


@given(RUNS, st.integers(1, 4))
def test_a_run_is_never_shorter_than_its_longest_chain_nor_longer_than_all_in_a_row(
    drawn: Drawn, slots: int
) -> None:
    run = run_of(drawn)
    jobs = [run.steps, *(each.graph.steps for each in run.children)]
    longest = max(max(urgencies(steps).values(), default=0.0) for steps in jobs)
    seconds = forecast(run, slots).seconds
    assert seconds >= longest
    assert seconds <= sum(spec.expected_seconds for steps in jobs for spec in steps)


@given(RUNS, st.integers(1, 4))
def test_the_critical_path_has_no_gap_and_is_as_long_as_the_run(drawn: Drawn, slots: int) -> None:
    found = forecast(run_of(drawn), slots)
    now = 0.0
    for part in found.critical_path:
        assert part.begins_seconds == now
        now += part.seconds
    assert now == found.seconds


@given(RUNS, st.integers(1, 3))
def test_order_and_places_are_respected(drawn: Drawn, slots: int) -> None:
    run = run_of(drawn)
    played = Play(run, slots).to_the_end()
    by_key = {(each.job, each.spec.key): each for each in played}
    at_host: defaultdict[str, list[PlayedStep]] = defaultdict(list)
    for each in played:
        assert each.begun
        for before in each.spec.after:
            assert by_key[each.job, before].ends <= each.begins
        if each.spec.slot and each.spec.expected_seconds:
            at_host[each.spec.slot].append(each)
    for steps in at_host.values():
        for each in steps:
            beside = [other for other in steps if other.begins <= each.begins < other.ends]
            assert len(beside) <= slots
    groups = [by_key["", spec.key] for spec in run.steps if spec.kind is StepKind.GROUP]
    for opened in groups:
        members = members_of(opened.spec.inputs)
        gate = gate_of(opened.spec.inputs)
        behind = [each for each in played if each.job in members and each.spec.gate == gate]
        for each in behind:
            assert each.begins >= opened.begins
            assert each.ends <= opened.ends


@given(RUNS, st.integers(0, 30), st.floats(0, 20))
def test_with_places_for_all_nothing_is_over_sooner_when_a_step_takes_longer(
    drawn: Drawn, which: int, more: float
) -> None:
    """With too few places it may be: waiting for places is weighed anew (Graham's anomaly)."""
    run = run_of(drawn)
    before = forecast(run, 1000).seconds
    children = list(run.children)
    chosen = children[which % len(children)]
    steps = list(chosen.graph.steps)
    place = which % len(steps)
    steps[place] = replace(steps[place], expected_seconds=steps[place].expected_seconds + more)
    children[which % len(children)] = replace(
        chosen, graph=replace(chosen.graph, steps=tuple(steps))
    )
    assert forecast(replace(run, children=tuple(children)), 1000).seconds >= before


def test_what_lies_between_two_steps_is_a_part_of_the_first() -> None:
    """A place at a host is free at once; whoever waits for the step is told of its end later."""
    known = Durations(overall={"stop_virtual_machine": [2.0]}, handing_over=[0.5])
    chain = graph(step("a", 2), step("b", 2, "a"))
    found = forecast(chain, 6, known)
    assert found.seconds == 5
    assert [part.seconds for part in found.critical_path] == [2.5, 2.5]
    queue = graph(step("a", 2, slot="h"), step("b", 2, slot="h"))
    found = forecast(queue, 1, known)
    assert found.seconds == 4.5
    assert [part.seconds for part in found.critical_path] == [2, 2.5]


def test_two_thousand_machines_are_played_through() -> None:
    members = tuple(
        child(
            f"m{number}",
            *(
                step(f"s{place}", 1 + (number * place) % 7, *before, slot=f"host:{number % 10}")
                for place, before in enumerate([(), ("s0",), ("s1",), ("s2",), ("s3",)])
            ),
        )
        for number in range(2000)
    )
    found = forecast(graph(group("all", "", [each.key for each in members]), children=members), 6)
    work = sum(spec.expected_seconds for each in members for spec in each.graph.steps)
    assert work / 60 <= found.seconds <= 1.1 * work / 60
