"""The programs of a coordinator that runs on one machine, and what they need before they start."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from coordinator.config import embedded
from coordinator.config.configuration import Configuration, read_configuration
from coordinator.config.process_group import ProcessGroup, Program

# What people write down of a stack, so that it comes back at the same addresses.
ADDRESSES_FILE = "addresses.json"


@dataclass(frozen=True)
class Addresses:
    """Ports of a stack, kept from its first start on."""

    api_port: int
    gateway_port: int


def free_port(host: str = "127.0.0.1") -> int:
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _addresses(state: Path, wanted: Mapping[str, int]) -> Addresses:
    file = state / ADDRESSES_FILE
    if file.exists():
        return Addresses(**json.loads(file.read_text(encoding="utf-8")))
    addresses = Addresses(
        api_port=wanted.get("api_port") or free_port(),
        gateway_port=wanted.get("gateway_port") or free_port(),
    )
    file.write_text(json.dumps(asdict(addresses)), encoding="utf-8")
    return addresses


def configuration_environment(configuration: Configuration) -> dict[str, str]:
    """The OSR_* variables that make every program read this configuration."""
    return {
        "OSR_STATE": str(configuration.state),
        "OSR_DATABASE_URL": configuration.database_url,
        "OSR_REDIS_URL": configuration.redis_url,
        "OSR_API_HOST": configuration.api_host,
        "OSR_API_PORT": str(configuration.api_port),
        "OSR_GATEWAY_HOST": configuration.gateway_host,
        "OSR_GATEWAY_PORT": str(configuration.gateway_port),
        "OSR_PUBLIC_HOST": configuration.public_host,
        "OSR_HEARTBEAT_SECONDS": str(configuration.heartbeat_seconds),
        "OSR_LEASE_SECONDS": str(configuration.lease_seconds),
        "OSR_SWEEP_SECONDS": str(configuration.sweep_seconds),
        "OSR_COMMANDS_PER_HOST": str(configuration.commands_per_host),
        "DJANGO_SETTINGS_MODULE": "coordinator.config.settings",
    }


@dataclass(frozen=True)
class Stack:
    """A coordinator on one machine: its configuration, programs, and where their socket goes."""

    configuration: Configuration
    programs: tuple[Program, ...]
    sockets: Path

    def group(self, *others: Program) -> ProcessGroup:
        """The process group of the coordinator, and of others that shall live with it."""
        group = ProcessGroup(self.configuration.state, self.sockets)
        group.configure([*self.programs, *others])
        return group


def prepare_stack(
    state: Path, *, api_port: int = 0, gateway_port: int = 0, environment: Mapping[str, str]
) -> Stack:
    """Makes folders and the embedded engines that no URL replaces.

    Args:
        state: Folder of everything that outlives a process.
        api_port: Port to listen on; 0: the one of last time, at first a free one.
        gateway_port: Likewise.
        environment: OSR_DATABASE_URL and OSR_REDIS_URL there mean servers of the caller's own.

    Idempotent.
    """
    state = state.resolve()
    embedded.make_private(state)
    (state / "secrets").mkdir(mode=0o700, exist_ok=True)
    engines = embedded.prepare(state)
    addresses = _addresses(state, {"api_port": api_port, "gateway_port": gateway_port})
    configuration = read_configuration(
        {
            "OSR_DATABASE_URL": engines.database_url,
            "OSR_REDIS_URL": engines.redis_url,
            **environment,
            "OSR_STATE": str(state),
            "OSR_API_PORT": str(addresses.api_port),
            "OSR_GATEWAY_PORT": str(addresses.gateway_port),
        }
    )
    return Stack(configuration, _programs(configuration, engines), engines.sockets)


def _programs(configuration: Configuration, engines: embedded.Embedded) -> tuple[Program, ...]:
    environment = configuration_environment(configuration)

    def ours(name: str, *arguments: str, once: bool = False, priority: int = 200) -> Program:
        command = [sys.executable, "-m", "coordinator.config.main", *arguments]
        return Program(name, command, environment, priority=priority, once=once)

    programs = [
        ours("migrate", "migrate", once=True, priority=100),
        ours("api", "api"),
        ours("gateway", "gateway"),
        # Emergency work never waits behind anything else: it has a worker of its own.
        ours("worker-failover", "worker", "--queues", "failover"),
        ours("worker", "worker", "--queues", "failover,replication,inventory"),
        ours("beat", "beat"),
    ]
    if configuration.redis_url == engines.redis_url:
        programs.insert(0, Program("redis", embedded.redis_command(engines), priority=10))
    if configuration.database_url == engines.database_url:
        postgres = embedded.postgres_command(engines)
        programs.insert(0, Program("postgres", postgres, priority=10, stop_seconds=30))
    return tuple(programs)


def run_in_foreground(group: ProcessGroup) -> None:
    """Becomes supervisord; returns never."""
    command = group.command(foreground=True)
    os.execv(command[0], command)  # noqa: S606 - the process group replaces us
