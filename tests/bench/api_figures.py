"""What requests to the API take beside a plain view, each run on a stack of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from coordinator.config.stack import prepare_stack
from tests.bench.api_rate import CLIENTS, MACHINES
from tests.bench.processes import measured_by

TITLE = f"The API with {CLIENTS} clients and {MACHINES:,} protected machines"
KINDS = {
    "constant": "a plain view that answers with a constant",
    "list": f"a page of 500 of {MACHINES:,} protected items",
    "get": "one protected item",
    "begin": "a planned failover begun",
}


def measure_once() -> Mapping[tuple[str, str], float]:
    """One run; jobs that it begins are carried out by nobody, so that no other may follow it."""
    with tempfile.TemporaryDirectory(prefix="osr-bench-api-") as folder:
        stack = prepare_stack(Path(folder), environment={})
        group = stack.group()
        group.start()
        try:
            found = measured_by("tests.bench.api_rate", stack)
        finally:
            group.stop()
    figures: dict[tuple[str, str], float] = {}
    for kind, name in KINDS.items():
        for share in ("p50", "p99"):
            figures[f"{name}, {share}", "ms"] = found[f"{kind} {share}_ms"]
        figures[name, "1/s"] = found[f"{kind} a_second"]
        if kind != "constant":
            ratio = found[f"{kind} p50_ms"] / found["constant p50_ms"]
            figures[f"{name}, p50 / the plain view's", "ratio"] = ratio
    return figures
