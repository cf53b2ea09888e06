"""The reference plan, and what its log is checked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.plan.action_log import END, START, WrongRunError, is_complete, read_log
from tests.bench.plan.compare import compare, growth
from tests.bench.plan.workload import ACTIONS, SLOTS, Machine, ideal_seconds, make_machines


@pytest.mark.parametrize(("machines", "seconds"), [(100, 8.373), (500, 13.128), (2000, 46.186)])
def test_the_plan_is_the_one_others_were_measured_with(machines: int, seconds: float) -> None:
    assert ideal_seconds(make_machines(machines)) == pytest.approx(seconds, rel=0.001)


def machine(number: int, group: int = 0) -> Machine:
    return Machine(number, 0, group, (1.0,) * ACTIONS, (1.0,) * ACTIONS)


def log_of(folder: Path, begins: dict[int, float]) -> Path:
    """Each machine's actions one after another from its beginning, a second each."""
    path = folder / "actions.log"
    lines = [
        f"{event} {number} {action} {begin + action + (event == END):.6f}"
        for number, begin in begins.items()
        for action in range(ACTIONS)
        for event in (START, END)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def test_a_run_in_order_is_read(tmp_path: Path) -> None:
    machines = [machine(number) for number in range(SLOTS)]
    path = log_of(tmp_path, dict.fromkeys(range(SLOTS), 10.0))
    record = read_log(path, machines)
    assert (record.first, record.last, record.most_at_once) == (10.0, 10.0 + ACTIONS, SLOTS)
    assert record.gaps == (0.0,) * (ACTIONS - 1) * SLOTS
    assert is_complete(path, machines)


def test_too_many_at_once_on_a_host_make_a_run_worthless(tmp_path: Path) -> None:
    machines = [machine(number) for number in range(SLOTS + 1)]
    path = log_of(tmp_path, dict.fromkeys(range(SLOTS + 1), 10.0))
    with pytest.raises(WrongRunError, match="7 actions at once"):
        read_log(path, machines)


def test_groups_that_overlap_make_a_run_worthless(tmp_path: Path) -> None:
    path = log_of(tmp_path, {0: 10.0, 1: 12.0})
    with pytest.raises(WrongRunError, match="group 1 began"):
        read_log(path, [machine(0), machine(1, group=1)])


def test_what_was_left_out_makes_a_run_worthless(tmp_path: Path) -> None:
    machines = [machine(0), machine(1)]
    path = log_of(tmp_path, {0: 10.0})
    assert not is_complete(path, machines)
    with pytest.raises(WrongRunError, match="events"):
        read_log(path, machines)


def test_an_action_done_twice_makes_a_run_worthless(tmp_path: Path) -> None:
    path = log_of(tmp_path, {0: 10.0})
    with path.open("a", encoding="ascii") as log:
        log.write(f"{START} 0 0 99.0\n")
    with pytest.raises(WrongRunError, match="a second time"):
        read_log(path, [machine(0)])


FOUND = {
    "ideal_seconds": 8.0,
    "makespan_of_ideal": 1.04,
    "most_at_once": 6.0,
    "cpu_ms_an_action": 6.0,
    "agents_cpu_ms_an_action": 2.0,
    "cpu_ms gateway": 3.0,
    "cpu_ms postgres": 2.0,
    "redis_bytes_an_action": 80.0,
    "begin_seconds": 0.5,
    "gap_p50_ms": 8.0,
    "gap_p99_ms": 20.0,
}


def test_a_run_is_put_beside_the_skeleton_s() -> None:
    bare = {**FOUND, "cpu_ms_an_action": 2.5, "gap_p50_ms": 4.0}
    rows = {name: value for (name, _), value in compare(100, FOUND, bare).items()}
    assert rows["makespan / ideal (at most 1.045)"] == 1.04
    assert rows["processor / skeleton's (at most 2.4)"] == pytest.approx(2.4)
    assert rows["between actions, p50 / skeleton's (at most 2.2)"] == 2.0
    assert rows["between actions, p99 / p50 (at most 3)"] == 2.5
    assert not any("between" in name for name, _ in compare(500, FOUND, bare))


def test_growth_is_told_of_the_larger_plan_only() -> None:
    cpu = {100: [6.0, 4.0], 500: [1.0, 1.0], 2000: [3.0, 4.0]}
    assert growth(cpu, 2000) == (
        ("processor an action / at 100 machines (at most 1)", "ratio"),
        [0.5, 1.0],
    )
