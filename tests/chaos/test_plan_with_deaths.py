"""A plan with a few blows in it, by a fixed seed; more: `tests/chaos/run --scenario plan`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.chaos.plan_campaign import PlanCampaign
from tests.chaos.plan_judge import PlanVerdict
from tests.chaos.plan_lab import PlanLab, choose_machines
from tests.chaos.plan_points import (
    OF_LOST_SITE,
    PHASES,
    VICTIMS,
    Blow,
    choose_plan_points,
    phases_of,
    phases_until,
    points_of,
)

SEED = 11
POINTS = 4
MACHINES = 3


def test_the_same_seed_strikes_the_same() -> None:
    one = choose_plan_points(60, 3, machines=40)
    assert one == choose_plan_points(60, 3, machines=40)
    assert one != choose_plan_points(60, 4, machines=40)


def test_every_victim_and_run_has_its_turn() -> None:
    points = choose_plan_points(300, 1, machines=40)
    assert {(point.blow, point.victim) for point in points} == set(VICTIMS)
    assert {point.phase for point in points} == set(PHASES)


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_as_many_blows_as_asked_for_fall_into_runs_in_order(count: int) -> None:
    points = choose_plan_points(count, 2, machines=10, at_once=3)
    assert len(points) == count
    runs = phases_until(points)
    assert [p for number, phase in runs for p in points_of(points, number, phase)] == points
    for number, phase in runs:
        assert phase in phases_of(number)
        delays = [p.delay_seconds for p in points_of(points, number, phase)]
        assert delays == sorted(delays)
        assert 1 <= len(delays) <= 3


def test_a_site_that_is_lost_is_not_struck_again() -> None:
    points = choose_plan_points(300, 3, machines=10)
    struck = {point.victim for point in points if point.phase == "disaster"}
    assert struck
    assert not struck & OF_LOST_SITE


def test_more_machines_are_struck_later() -> None:
    few, many = (
        max(point.delay_seconds for point in choose_plan_points(100, 5, machines=machines))
        for machines in (2, 40)
    )
    assert few < many


def test_machines_come_from_all_tiers_in_turn() -> None:
    names = ["app-1", "app-2", "db-1", "db-2", "web-1", "web-2"]
    assert choose_machines(names, 4) == ["db-1", "app-1", "web-1", "db-2"]
    assert sorted(choose_machines(names, 40)) == names


def test_a_blow_says_what_it_is() -> None:
    [point] = choose_plan_points(1, 1, machines=1)
    assert point.victim in str(point)
    assert ("for" in str(point)) == (point.blow is not Blow.KILL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicate_effects": 1},
        {"owners_wrong": 1},
        {"double_running_seconds": 0.1},
        {"wrong_disks": 1},
        {"scripts_twice": 1},
        {"records_lost": 1},
        {"problems": ["a job failed"]},
        {"struck": 5},
    ],
)
def test_a_verdict_is_right_only_if_nothing_is_wrong(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"points": 6, "machines": 3, "struck": 6, "jobs_restarted": 2}
    assert PlanVerdict(**right).ok  # type: ignore[arg-type]  # a table of fields
    assert not PlanVerdict(**{**right, **wrong}).ok  # type: ignore[arg-type]  # as above


@pytest.mark.timeout(900)
@pytest.mark.spec("JB-3", "FO-7", "RP-2")
def test_a_plan_ends_right_whatever_dies() -> None:
    folder = Path(tempfile.mkdtemp(prefix="osr-chaos-"))
    lab = PlanLab(folder, MACHINES)
    try:
        lab.up(lambda _: None)
        points = choose_plan_points(POINTS, SEED, machines=MACHINES)
        verdict = PlanCampaign(lab, points, lambda _: None).run()
    finally:
        lab.down()
    assert verdict.problems == [], f"logs: {folder / 'logs'}"
    assert verdict.ok, verdict.as_json()
    shutil.rmtree(folder)
