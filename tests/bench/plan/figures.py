"""What a run is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.figures import percentile
from tests.bench.plan.action_log import Record
from tests.bench.plan.workload import ACTIONS, Machine, ideal_seconds


def facts(
    machines: Sequence[Machine],
    record: Record,
    asked_at: float,
    processor_seconds: Mapping[str, float],
) -> dict[str, float]:
    """The figures of a run, by name.

    Args:
        machines: Of the plan.
        record: What happened.
        asked_at: When the plan was given to whoever ran it, by the monotonic clock.
        processor_seconds: By program; agents are not counted with the others.
    """
    actions = ACTIONS * len(machines)
    ideal = ideal_seconds(machines)
    own = sum(seconds for name, seconds in processor_seconds.items() if name != "agents")
    return {
        "machines": len(machines),
        "ideal_seconds": ideal,
        "makespan_seconds": record.last - asked_at,
        "makespan_of_ideal": (record.last - asked_at) / ideal,
        "most_at_once": record.most_at_once,
        "cpu_ms_an_action": own * 1000 / actions,
        "agents_cpu_ms_an_action": processor_seconds.get("agents", 0.0) * 1000 / actions,
        "gap_p50_ms": percentile(record.gaps, 0.5) * 1000,
        "gap_p99_ms": percentile(record.gaps, 0.99) * 1000,
        **{f"cpu_ms {name}": s * 1000 / actions for name, s in processor_seconds.items()},
    }
