"""The time between steps, found by playing past runs again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.queries import PastRun
from coordinator.recovery.dry_run.calibration import calibrated, handing_over_of
from coordinator.recovery.dry_run.durations import Durations, with_durations
from coordinator.recovery.dry_run.forecast import forecast
from tests.unit.recovery.dry_run.runs_to_play import RUNS, Drawn, child, graph, group, run_of, step

pytestmark = pytest.mark.spec("RP-6")

# Three commands one after the other, two in the second group's machine.
THREE = graph(
    group("group1", "boot", ["a"]),
    group("group2", "boot", ["b"], "group1"),
    children=(
        child("a", step("start", 10.0, gate="boot")),
        child("b", step("start", 10.0, gate="boot"), step("more", 10.0, "start")),
    ),
)


def test_what_a_run_took_longer_than_its_steps_lies_between_them() -> None:
    assert handing_over_of(PastRun(THREE, 36.0), 6) == pytest.approx(2.0, rel=0.05)


def test_a_run_that_took_no_longer_than_its_steps_has_nothing_between_them() -> None:
    assert handing_over_of(PastRun(THREE, 30.0), 6) == 0.0
    assert handing_over_of(PastRun(THREE, 12.0), 6) == 0.0


def test_steps_that_did_not_run_hand_nothing_over() -> None:
    skipped = graph(step("a", 0.0), step("b", 10.0, "a"))
    assert handing_over_of(PastRun(skipped, 13.0), 6) == pytest.approx(3.0, rel=0.05)


def test_without_past_runs_durations_stay() -> None:
    known = Durations(handing_over=(0.5,))
    assert calibrated(known, [], 6) is known


@given(RUNS, st.integers(1, 3), st.floats(0.0, 0.5))
def test_a_run_forecast_from_itself_takes_what_it_took(
    drawn: Drawn, slots: int, longer: float
) -> None:
    run = with_durations(run_of(drawn), Durations())
    alone = forecast(run, slots, Durations()).seconds
    took = alone * (1 + longer)
    known = calibrated(Durations(), [PastRun(run, took)], slots)
    assert handing_over_of(PastRun(run, took), slots) in known.handing_over
    assert forecast(run, slots, known).seconds == pytest.approx(took, rel=0.01)
