"""The process of one site: boots it, serves its sockets, shuts it down on SIGTERM."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from deploy.lab.site.admin import ADMIN_SOCKET, POWERSHELL_SOCKET
from deploy.lab.site.admin_service import AdminService
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.invocations import Dispatch, InvocationService
from deploy.lab.site.json_lines import JsonLinesServer
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import Topology

log = structlog.get_logger(__name__)

VMM_REFRESH_SECONDS = 120.0  # VMM's light refresher of VMs


class SiteBusyError(Exception):
    """Another daemon runs this site."""


@dataclass(frozen=True)
class DaemonOptions:
    state_dir: Path
    site: str
    speed: float = 1.0


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "daemon.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SiteBusyError(f"another daemon runs the site in {folder}") from error
        yield


async def run(options: DaemonOptions, topology: Topology, dispatch: Dispatch) -> None:
    """Run the site until SIGTERM or SIGINT.

    Raises:
        TopologyError: The topology has no such site.
        SiteBusyError: Another daemon runs it.
    """
    name = topology.site(options.site).name
    with _only_one(options.state_dir / name):
        environment = Environment(state_dir=options.state_dir, clock=SiteClock(options.speed))
        site = open_site(topology, name, environment)
        await serve(site, dispatch, _told_to_stop())


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def serve(site: Site, dispatch: Dispatch, stop: asyncio.Event) -> None:
    """Boot the site, serve its sockets until told to stop, shut it down."""
    await boot(site)
    servers = (
        JsonLinesServer(site.folder / POWERSHELL_SOCKET, InvocationService(site, dispatch).handle),
        JsonLinesServer(site.folder / ADMIN_SOCKET, AdminService(site).handle),
    )
    try:
        for server in servers:
            await server.open()
        log.info("site.ready", site=site.name, speed=site.clock.speed)
        await _refresh_until(site, stop)
    finally:
        for server in servers:
            await server.close()
        await shut_down(site)
        log.info("site.shut_down", site=site.name)


async def _refresh_until(site: Site, stop: asyncio.Event) -> None:
    """VMM looks at its hosts from time to time."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(site.clock.real_seconds(VMM_REFRESH_SECONDS)):
                await stop.wait()
        except TimeoutError:
            site.refresh_virtual_machines()
