"""A plan with a few blows in it, by a fixed seed; more: `tests/chaos/run --scenario plan`."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.plan_campaign import PlanCampaign, PlanVerdict
from tests.chaos.plan_lab import PlanLab, choose_machines
from tests.chaos.plan_points import PHASES, VICTIMS, Blow, choose_plan_points, points_of
from tests.chaos.relay import Relay

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
    runs = sorted({(point.round, list(PHASES).index(point.phase)) for point in points})
    found = [p for number, phase in runs for p in points_of(points, number, list(PHASES)[phase])]
    assert found == points
    for number, phase in runs:
        delays = [p.delay_seconds for p in points_of(points, number, list(PHASES)[phase])]
        assert delays == sorted(delays)
        assert len(delays) <= 3


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
        {"records_lost": 1},
        {"problems": ["a job failed"]},
        {"struck": 5},
    ],
)
def test_a_verdict_is_right_only_if_nothing_is_wrong(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"points": 6, "machines": 3, "struck": 6, "jobs_restarted": 2}
    assert PlanVerdict(**right).ok  # type: ignore[arg-type]  # a table of fields
    assert not PlanVerdict(**{**right, **wrong}).ok  # type: ignore[arg-type]  # as above


@pytest.fixture
def relay() -> Iterator[tuple[Relay, socket.socket]]:
    """A relay to a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        relay = Relay(f"127.0.0.1:{listener.getsockname()[1]}")
        relay.start()
        yield relay, listener
        relay.close()


def test_a_cut_link_passes_nothing_and_a_mended_one_what_was_sent(
    relay: tuple[Relay, socket.socket],
) -> None:
    link, listener = relay
    with socket.create_connection(("127.0.0.1", link.port), timeout=10) as near:
        far, _ = listener.accept()
        with far:
            near.sendall(b"one")
            assert far.recv(16) == b"one"
            link.cut()
            near.sendall(b"two")
            far.settimeout(0.3)
            with pytest.raises(TimeoutError):
                far.recv(16)
            link.heal()
            far.settimeout(10)
            assert far.recv(16) == b"two"
            far.sendall(b"back")
            assert near.recv(16) == b"back"


@pytest.mark.timeout(600)
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
