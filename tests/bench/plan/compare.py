"""Plans of several sizes by the product and by the skeleton, in turns, on a stack of its own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from coordinator.config.stack import Stack, prepare_stack
from tests.bench.figures import Figure
from tests.bench.plan.workload import SLOTS
from tests.bench.processes import Found, measured_by

SIZES = (100, 500, 2000)
WARM_UP_MACHINES = 20
# What is wanted, by number of machines; of other sizes nothing is.
MOST_OF_IDEAL = {100: 1.045, 500: 1.08}
MOST_CPU_OF_SKELETON = 2.4
MOST_GAP_OF_SKELETON = 2.2
MOST_P99_OF_P50 = 3.0
MOST_REDIS_BYTES = 5000
# Only where nobody waits for a slot is the gap between two actions the engine's own.
GAP_SIZE = 100


def title(machines: int) -> str:
    return f"A plan of {machines:,} machines beside the bare skeleton"


def measure_plans(
    runs: int, sizes: Sequence[int], order: str = "forecast"
) -> dict[str, list[Figure]]:
    """Every figure, by title; each run of the product has one of the skeleton beside it.

    Which of the two goes first alternates, so that what else the machine does meets both.
    """
    state = Path(tempfile.mkdtemp(prefix="osr-bench-plan-"))
    stack = prepare_stack(state, environment={})
    group = stack.group()
    collected: dict[int, dict[tuple[str, str], list[float]]] = {size: {} for size in sizes}
    cpu: dict[int, list[float]] = {size: [] for size in sizes}
    group.start()
    try:
        _product(stack, WARM_UP_MACHINES)
        # One size after the other: what PostgreSQL has to tidy up after a large plan is not charged
        # to a small one.
        for size in sizes:
            for number in range(runs):
                if number % 2:
                    product, skeleton = _product(stack, size), _skeleton(stack, size, order)
                else:
                    skeleton, product = _skeleton(stack, size, order), _product(stack, size)
                cpu[size].append(product["cpu_ms_an_action"])
                for key, value in compare(size, product, skeleton).items():
                    collected[size].setdefault(key, []).append(value)
                _say(number, size, product, skeleton)
            if size != min(sizes):
                key, values = growth(cpu, size)
                collected[size][key] = values
    finally:
        group.stop()
    return {
        title(size): [Figure(name, unit, tuple(values)) for (name, unit), values in rows.items()]
        for size, rows in collected.items()
    }


def compare(size: int, product: Found, skeleton: Found) -> dict[tuple[str, str], float]:
    """The figures of one run of each, by name and unit."""
    wanted = f" (at most {MOST_OF_IDEAL[size]})" if size in MOST_OF_IDEAL else ""
    cpu, bare_cpu = product["cpu_ms_an_action"], skeleton["cpu_ms_an_action"]
    rows = {
        ("ideal", "s"): product["ideal_seconds"],
        (f"makespan / ideal{wanted}", "ratio"): product["makespan_of_ideal"],
        ("skeleton's makespan / ideal", "ratio"): skeleton["makespan_of_ideal"],
        ("processor an action", "ms"): cpu,
        ("skeleton's processor an action", "ms"): bare_cpu,
        (f"processor / skeleton's (at most {MOST_CPU_OF_SKELETON})", "ratio"): cpu / bare_cpu,
        ("gateway's part of it", "ms"): product["cpu_ms gateway"],
        ("PostgreSQL's part of it", "ms"): product["cpu_ms postgres"],
        ("agents' processor an action, not counted above", "ms"): (
            product["agents_cpu_ms_an_action"]
        ),
        (f"most at once on a host (at most {SLOTS})", "actions"): product["most_at_once"],
        (f"Redis, sent an action (under {MOST_REDIS_BYTES:,})", "bytes"): (
            product["redis_bytes_an_action"]
        ),
        ("writing the plan's job", "s"): product["begin_seconds"],
    }
    return {**rows, **(_gaps(product, skeleton) if size <= GAP_SIZE else {})}


def growth(cpu: Mapping[int, Sequence[float]], size: int) -> tuple[tuple[str, str], list[float]]:
    """What an action costs in a plan of that size beside the smallest one, run by run."""
    smallest = min(cpu)
    name = f"processor an action / at {smallest} machines (at most 1)"
    ratios = [own / small for own, small in zip(cpu[size], cpu[smallest], strict=True)]
    return (name, "ratio"), ratios


def _gaps(product: Found, skeleton: Found) -> dict[tuple[str, str], float]:
    p50, p99, bare_p50 = product["gap_p50_ms"], product["gap_p99_ms"], skeleton["gap_p50_ms"]
    return {
        ("between a machine's actions, p50", "ms"): p50,
        ("between a machine's actions, p99", "ms"): p99,
        ("skeleton's between a machine's actions, p50", "ms"): bare_p50,
        (f"between actions, p50 / skeleton's (at most {MOST_GAP_OF_SKELETON})", "ratio"): (
            p50 / bare_p50
        ),
        (f"between actions, p99 / p50 (at most {MOST_P99_OF_P50:.0f})", "ratio"): p99 / p50,
    }


def _product(stack: Stack, size: int) -> Found:
    return measured_by("tests.bench.plan.product_run", stack, str(size))


def _skeleton(stack: Stack, size: int, order: str) -> Found:
    with tempfile.TemporaryDirectory(prefix="osr-bench-skeleton-") as folder:
        log = str(Path(folder) / "actions.log")
        url = stack.configuration.database_url
        return measured_by("tests.bench.plan.skeleton", stack, url, str(size), order, log)


def _say(number: int, size: int, product: Found, skeleton: Found) -> None:
    sys.stdout.write(
        f"run {number + 1}, {size:,} machines: makespan / ideal "
        f"{product['makespan_of_ideal']:.3f} (skeleton {skeleton['makespan_of_ideal']:.3f}), "
        f"processor {product['cpu_ms_an_action']:.2f} ms "
        f"(skeleton {skeleton['cpu_ms_an_action']:.2f}), between actions "
        f"{product['gap_p50_ms']:.1f} ms (skeleton {skeleton['gap_p50_ms']:.1f})\n"
    )
    sys.stdout.flush()
