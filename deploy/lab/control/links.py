"""Links between agents and the gateway: where they listen, and how agents are put on them."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from coordinator.config.process_group import Program

LINKS_FILE = "links.json"


def link_program(site: str) -> str:
    """Name of the process that is the network of the site's agent, for example "link-shanghai"."""
    return f"link-{site.lower()}"


def link_ports(state: Path, sites: list[str]) -> dict[str, int]:
    """A port for each site's link: chosen once, kept with the lab."""
    file = state / LINKS_FILE
    known: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    missing = [site for site in sites if site not in known]
    if missing:
        known.update(zip(missing, _free_ports(len(missing)), strict=True))
        file.write_text(json.dumps(known), encoding="utf-8")
    return known


def link_programs(state: Path, sites: list[str], gateway: str) -> list[Program]:
    """The links' processes.

    Args:
        state: The lab's folder.
        sites: Names of the sites.
        gateway: "host:port" of the gateway.
    """
    return [
        Program(
            link_program(site),
            [sys.executable, "-m", "deploy.lab.link", f"--port={port}", f"--target={gateway}"],
            priority=60,
        )
        for site, port in link_ports(state, sites).items()
        if site in sites
    ]


def put_on_link(identity: Path, port: int) -> None:
    """Has a registered agent reach the gateway by its link only."""
    content = json.loads(identity.read_text(encoding="utf-8"))
    content["endpoint"] = f"127.0.0.1:{port}"
    identity.write_text(json.dumps(content), encoding="utf-8")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
