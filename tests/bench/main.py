"""`tests/bench/run`: measures, prints, and keeps."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from coordinator.config.logs import configure_logs
from coordinator.config.stack import prepare_stack
from deploy.lab.control.stage import Stage, StageOptions
from deploy.story.story import Narrator, Story
from tests.bench import api_figures, cmdlet_latency, forecast_error, powershell_cost
from tests.bench.figures import Figure, describe_machine, measure, write_page
from tests.bench.plan import compare
from tests.bench.processes import Found, measured_by
from tests.runner import ROOT

PAGE = ROOT / "deploy/docs/benchmarks.md"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=["all", "lab", "enabling", "api", "forecast", "plan"],
        default="all",
        help="lab: the short figures on one lab; enabling: only 500 machines enabled in one "
        "request; api: only what requests take beside a plain view; forecast: only how far "
        "forecasts are off; plan: only plans beside the bare skeleton; the last three have stacks "
        "of their own",
    )
    parser.add_argument(
        "--machines",
        type=int,
        nargs="+",
        default=compare.SIZES,
        metavar="N",
        help="sizes of the plans (100 500 2000)",
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--write", action="store_true", help=f"keep them in {PAGE.name}")
    return parser.parse_args()


def run_beside(stage: Stage, module: str) -> Found:
    """What a measuring process that belongs to the stage's stack has found."""
    return measured_by(module, prepare_stack(stage.state, environment={}))


def engine_once(stage: Stage) -> Mapping[tuple[str, str], float]:
    """One run of the engine beside Celery, in a process that belongs to the stage's stack."""
    rates = run_beside(stage, "tests.bench.engine_rate")
    return {
        ("engine, steps (command out, result in, next step)", "1/s"): rates["steps"],
        ("raw Celery, no-op tasks", "1/s"): rates["no_ops"],
        ("engine / raw", "ratio"): rates["steps"] / rates["no_ops"],
    }


def discovery_once(stage: Stage) -> Mapping[tuple[str, str], float]:
    """One first sync of 10,000 machines, a look without changes, and one in a hundred changed."""
    found = run_beside(stage, "tests.bench.inventory_rate")
    return {
        ("first sync of 10,000 machines, PowerShell to tables", "s"): found["first_seconds"],
        ("first sync, processor", "s"): found["first_cpu_seconds"],
        ("first sync, coordinator's processor", "s"): found["first_coordinator_cpu_seconds"],
        ("first sync, wire", "MB"): found["first_wire_bytes"] / 1e6,
        ("raw reading of the machines by PSRP", "s"): found["raw_read_seconds"],
        ("first sync / raw reading", "ratio"): found["first_seconds"] / found["raw_read_seconds"],
        ("raw COPY of the machines' rows", "s"): found["raw_copy_seconds"],
        ("look without changes", "s"): found["nothing_seconds"],
        ("1 % changed, PowerShell to tables", "s"): found["changed_seconds"],
        ("1 % changed, processor", "s"): found["changed_cpu_seconds"],
        ("1 % changed, coordinator's processor", "s"): found["changed_coordinator_cpu_seconds"],
        ("1 % changed, wire", "MB"): found["changed_wire_bytes"] / 1e6,
        ("1 % changed / first sync, coordinator's processor", "ratio"): (
            found["changed_coordinator_cpu_seconds"] / found["first_coordinator_cpu_seconds"]
        ),
    }


def replication_once(stage: Stage) -> Mapping[tuple[str, str], float]:
    """25,000 machines that replicate every 30 seconds, both sides reporting, for half a minute."""
    found = run_beside(stage, "tests.bench.replication_rate")
    return {
        ("sides stored", "1/s"): found["states_a_second"],
        ("coordinator, of one core", "%"): found["coordinator_share"] * 100,
        ("PostgreSQL, of one core", "%"): found["postgres_share"] * 100,
        ("report sent to report stored, p50", "ms"): found["lag_p50_ms"],
        ("report sent to report stored, p99", "ms"): found["lag_p99_ms"],
        ("oldest data on a screen (looks every 5 s)", "s"): found["oldest_seconds"],
        ("coordinator's memory", "MiB"): found["memory_mib"],
        ("kept of a side", "bytes"): found["side_bytes"],
        ("RPO of all machines kept, every five minutes", "s"): found["history_seconds"],
    }


def enabling_once(stage: Stage) -> Mapping[tuple[str, str], float]:
    """Protection of 500 machines in one request: real agents, hosts whose cmdlets take no time."""
    found = run_beside(stage, "tests.bench.enabling_rate")
    return {
        ("request to all 500 protected", "s"): found["seconds"],
        ("the request alone", "s"): found["request_seconds"],
        ("coordinator's processor in all", "s"): found["coordinator_seconds"],
        ("processor a machine, workers", "ms"): found["worker_ms_a_machine"],
        ("processor a machine, gateway", "ms"): found["gateway_ms_a_machine"],
        ("processor a machine, request", "ms"): found["request_ms_a_machine"],
        ("processor a machine, PostgreSQL", "ms"): found["database_ms_a_machine"],
        ("agents and hosts, processor in all", "s"): found["agents_seconds"],
        ("first copies at once on a source (limit 3)", "copies"): found["most_at_once"],
    }


def measure_on_the_lab(what: str, runs: int) -> dict[str, list[Figure]]:
    """Figures on one lab: the short ones, the long one, or both."""
    stage = Stage(StageOptions(state=Path(tempfile.mkdtemp(prefix="osr-bench-")), speed=60.0))
    try:
        stage.up(lambda text: print(text, "...", flush=True))
        story = Story(stage, Narrator())
        story.pair_clouds()
        story.protect_machine()
        socket = stage.state / "sites" / story.cast.source_site / "powershell.sock"
        sections: dict[str, list[Figure]] = {}
        if what in {"all", "lab"}:
            sections |= _short_figures(story, socket, runs)
        if what in {"all", "enabling"}:
            title = "Protection of 500 machines enabled in one request"
            sections[title] = measure(runs, lambda: enabling_once(stage))
        return sections
    finally:
        stage.down()


def _short_figures(story: Story, socket: Path, runs: int) -> dict[str, list[Figure]]:
    stage = story.stage
    return {
        "From an API call to a cmdlet (SDK, API, engine, gateway, agent, lab)": measure(
            runs, lambda: cmdlet_latency.measure_once(story)
        ),
        "The engine beside raw Celery": measure(runs, lambda: engine_once(stage)),
        "Discovery of 10,000 machines": measure(runs, lambda: discovery_once(stage)),
        "25,000 machines that replicate every 30 seconds": measure(
            runs, lambda: replication_once(stage)
        ),
        "The agent beside raw psrpcore": measure(
            runs, lambda: powershell_cost.measure_once(socket)
        ),
    }


def main() -> int:
    options = arguments()
    configure_logs()
    sections: dict[str, list[Figure]] = {}
    if options.what in {"all", "lab", "enabling"}:
        sections = measure_on_the_lab(options.what, options.runs)
    if options.what in {"all", "api"}:
        sections[api_figures.TITLE] = measure(options.runs, api_figures.measure_once)
    if options.what in {"all", "forecast"}:
        sections[forecast_error.TITLE] = measure(options.runs, forecast_error.measure_once)
    if options.what in {"all", "plan"}:
        sections |= compare.measure_plans(options.runs, sorted(options.machines))
    print(describe_machine())
    for title, figures in sections.items():
        print(f"\n{title}")
        for figure in figures:
            low, high, digits = min(figure.values), max(figure.values), figure.digits
            print(
                f"  {figure.name:<62} {figure.median:10.{digits}f} {figure.unit}"
                f"  ({low:.{digits}f}-{high:.{digits}f})"
            )
    if options.json:
        document = {
            title: [{"name": f.name, "unit": f.unit, "values": f.values} for f in figures]
            for title, figures in sections.items()
        }
        options.json.write_text(json.dumps(document, indent=2), encoding="utf-8")
    if options.write:
        write_page(PAGE, sections, datetime.now(UTC))
    return 0


if __name__ == "__main__":
    sys.exit(main())
