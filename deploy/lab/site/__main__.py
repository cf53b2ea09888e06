"""`python -m deploy.lab.site`: one site as a process."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import structlog

from deploy.lab.cmdlets.registry import run_cmdlet
from deploy.lab.site.daemon import DaemonOptions, SiteBusyError, run
from deploy.lab.site.topology import TopologyError, load_topology


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.lab.site", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of all sites")
    parser.add_argument("--site", required=True, help="name of the site in the topology")
    parser.add_argument("--speed", type=float, default=1.0, help="intervals are divided by this")
    parser.add_argument("--topology", type=Path, help="TOML file; the default one without it")
    return parser.parse_args(arguments)


def _configure_logs() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ]
    )


def main() -> int:
    """Exit status 0 after an orderly end, 2 when the site cannot be run."""
    _configure_logs()
    options = _arguments(sys.argv[1:])
    try:
        topology = load_topology(options.topology)
        daemon = DaemonOptions(options.state.resolve(), options.site, options.speed)
        asyncio.run(run(daemon, topology, run_cmdlet))
    except (TopologyError, SiteBusyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
