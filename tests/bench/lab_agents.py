"""Real agents on sites of the lab, all in this process: session, journal, verbs, PSRP, hosts.

Runspaces run in-process and cmdlets take no time but the processor's; disks are real and small.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from pathlib import Path

from agent.running import AgentSettings, run_agent, stop_on_signals
from agent.state_folder import StateFolder
from coordinator.config.logs import configure_logs
from deploy.lab.powershell.site_backend import SiteBackend
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.topology import find_topology, load_topology
from tests.bench.powershell_in_process import starting

TOPOLOGY = find_topology("many")
# Deltas pass as seldom as they do: they are not what is measured.
SPEED = 1.0


def site_names() -> list[str]:
    return [site.name for site in load_topology(TOPOLOGY).sites]


def agent_folder(folder: Path, site: str) -> Path:
    """State of the agent of a site: it has to be registered before this runs."""
    return folder / "agents" / site


async def run(folder: Path) -> None:
    """Boots the sites and runs an agent beside each, until told to stop."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    topology = load_topology(TOPOLOGY)
    sites = []
    for layout in topology.sites:
        environment = Environment(
            state_dir=folder / "sites",
            clock=SiteClock(SPEED),
            random=random.Random(layout.name),
            connect_timeout_seconds=5.0,
        )
        site = open_site(topology, layout.name, environment)
        await boot(site)
        sites.append(site)
    async with asyncio.TaskGroup() as agents:
        for site in sites:
            settings = AgentSettings(
                folder=StateFolder(agent_folder(folder, site.name)),
                powershell=starting(SiteBackend(site)),
                vmm_server=site.vmm.server.fqdn,
            )
            agents.create_task(run_agent(settings, stop), name=f"agent {site.name}")
    for site in sites:
        await shut_down(site)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    configure_logs()
    asyncio.run(run(parser.parse_args().folder))


if __name__ == "__main__":
    main()
