"""A short campaign of deaths, by a fixed seed; `tests/chaos/run` plays any number."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from deploy.lab.control.stage import Stage, StageOptions
from deploy.story.story import Narrator, Story
from tests.chaos.campaign import Campaign
from tests.chaos.points import EVERY_ROUND, FIRST_ROUND, VICTIMS, choose_points

SEED = 2026
POINTS = 5


def test_the_same_seed_gives_the_same_deaths() -> None:
    assert choose_points(50, 3) == choose_points(50, 3) != choose_points(50, 4)


def test_every_process_and_phase_has_its_turn() -> None:
    points = choose_points(300, 1)
    assert {point.victim for point in points} == set(VICTIMS)
    assert {point.phase for point in points} == {*FIRST_ROUND, *EVERY_ROUND}


@pytest.mark.timeout(400)
@pytest.mark.spec("JB-3")
def test_a_job_ends_right_whatever_dies() -> None:
    folder = Path(tempfile.mkdtemp(prefix="osr-chaos-"))
    stage = Stage(StageOptions(state=folder, speed=10.0))
    try:
        stage.up(lambda _: None)
        points = choose_points(POINTS, SEED)
        verdict = Campaign(Story(stage, Narrator()), points, lambda _: None).run()
    finally:
        stage.down()
    assert verdict.problems == [], f"logs: {folder / 'logs'}"
    assert verdict.ok
    assert verdict.right == POINTS
    shutil.rmtree(folder)
