"""Everything on one machine: a coordinator, two simulated sites, an agent on each."""

from __future__ import annotations

import json
import os
import shlex
import socket
import ssl
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from coordinator.config.configuration import Configuration
from coordinator.config.process_group import ProcessGroup, Program
from coordinator.config.stack import Stack, configuration_environment, prepare_stack
from coordinator.config.waiting import wait_for
from coordinator.vaults.authority import REGISTRATION_NAME
from deploy.lab.control.connection import CONNECTION_FILE, Connection
from deploy.lab.control.links import link_ports, link_programs, put_on_link
from deploy.lab.control.operator import Operator, write_key
from deploy.lab.site.topology import DEFAULT_TOPOLOGY, Topology, load_topology

START_LIMIT_SECONDS = 300.0
DISCOVERY_LIMIT_SECONDS = 300.0
RESOURCE_GROUP = "lab"
VAULT = "Contoso"
OPTIONS_FILE = "lab.json"


def agent_program(site: str) -> str:
    """Name of the process that is the site's agent, for example "agent-shanghai"."""
    return f"agent-{site.lower()}"


def site_program(site: str) -> str:
    """Name of the process that is the site's hosts and VMM, for example "site-shanghai"."""
    return f"site-{site.lower()}"


def answers(connection: Connection) -> bool:
    """Whether the API answers; asks for what everybody may read."""
    trust = ssl.create_default_context(cafile=connection.ca_file)
    path = f"/{connection.tenant_id}/v2.0/.well-known/openid-configuration"
    try:
        with urllib.request.urlopen(connection.endpoint + path, context=trust, timeout=5) as answer:  # noqa: S310 - https, our own
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def takes_registrations(connection: Connection) -> bool:
    """Whether the gateway answers agents that want to register."""
    trust = ssl.create_default_context(cafile=connection.ca_file)
    trust.set_alpn_protocols(["h2"])
    host, _, port = connection.gateway.rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), timeout=5) as raw,
            trust.wrap_socket(raw, server_hostname=REGISTRATION_NAME) as secured,
        ):
            return secured.selected_alpn_protocol() == "h2"
    except OSError:
        return False


class StageError(RuntimeError):
    """The lab cannot be brought up; the text says why."""


@dataclass(frozen=True)
class StageOptions:
    """How a lab is brought up.

    Attributes:
        state: Folder of everything.
        topology: TOML file; None for the built-in one.
        speed: Replication intervals pass so many times faster.
    """

    state: Path
    topology: Path | None = None
    speed: float = 1.0

    @classmethod
    def load(cls, state: Path) -> StageOptions:
        """The options a lab was brought up with.

        Raises:
            FileNotFoundError: There is no lab in the folder.
        """
        saved = json.loads((state / OPTIONS_FILE).read_text(encoding="utf-8"))
        topology = Path(saved["topology"]) if saved["topology"] else None
        return cls(state=state, topology=topology, speed=saved["speed"])

    def save(self) -> None:
        """Keeps them for the next command."""
        saved = {"topology": str(self.topology) if self.topology else None, "speed": self.speed}
        (self.state / OPTIONS_FILE).write_text(json.dumps(saved), encoding="utf-8")


class Stage:
    """A lab in a folder, up or down."""

    def __init__(self, options: StageOptions) -> None:
        self.options = options
        self.state = options.state.resolve()
        self.topology: Topology = load_topology(options.topology or DEFAULT_TOPOLOGY)

    # Up

    def start_processes(self) -> None:
        """Starts coordinator and sites, and waits until both its doors open. Idempotent."""
        stack = self._stack()
        self.options.save()
        links = link_programs(self.state, self._site_names(), stack.configuration.gateway_endpoint)
        agents = self._agent_programs(stack.configuration)
        group = stack.group(*self._site_programs(), *links, *agents)
        if not group.running():
            group.start()
        if not (self.state / CONNECTION_FILE).exists():
            self._make_connection(stack.configuration)
        connection = Connection.load(self.state)
        wait_for("the API", lambda: answers(connection), START_LIMIT_SECONDS)
        wait_for("the gateway", lambda: takes_registrations(connection), START_LIMIT_SECONDS)

    def make_vault(self) -> None:
        """Makes the lab's vault. Idempotent."""
        self.operator().make_vault()

    def register_agents(self) -> None:
        """Gives every agent a key, registers and starts it. Idempotent."""
        for site in self.topology.sites:
            folder = self.agent_folder(site.name)
            if not (folder / "identity.json").exists():
                self.register_agent(site.name, self.operator().registration_key())
            self.start_program(agent_program(site.name))

    def register_agent(self, site: str, key: str) -> None:
        """Runs `osr-agent register` as an administrator on the VMM server would."""
        folder = self.agent_folder(site)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "registration.key"
        write_key(key, file)
        command = [
            *self._agent_command("register"),
            f"--key={file}",
            f"--friendly-name={self.topology.site(site).fabric_name}",
            "--yes",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._agent_environment(site)
        )
        if done.returncode != 0:
            raise StageError(f"registering {site} failed:\n{done.stdout}{done.stderr}")
        put_on_link(folder / "identity.json", link_ports(self.state, self._site_names())[site])

    def wait_for_discovery(self) -> None:
        """Waits until every server is connected and every cloud has been seen."""
        operator = self.operator()
        for site in self.topology.sites:

            def connected(name: str = site.fabric_name) -> bool:
                return operator.server_state(name) == "Connected"

            wait_for(f"{site.fabric_name} to connect", connected, DISCOVERY_LIMIT_SECONDS)
        clouds = {cloud.name for site in self.topology.sites for cloud in site.clouds}
        wait_for("discovery", lambda: clouds <= operator.clouds().keys(), DISCOVERY_LIMIT_SECONDS)

    def up(self, tell: Callable[[str], None]) -> None:
        """Brings everything up, with nothing paired or protected. Idempotent."""
        for text, action in (
            ("starting coordinator and sites", self.start_processes),
            ("making the vault", self.make_vault),
            ("registering the agents", self.register_agents),
            ("discovering both fabrics", self.wait_for_discovery),
        ):
            tell(text)
            action()

    # Down and around

    def down(self) -> None:
        """Stops every process. Idempotent."""
        self.group().stop()

    def group(self) -> ProcessGroup:
        """The process group, whether it runs or not."""
        stack = self._stack()
        return ProcessGroup(self.state, stack.sockets)

    def start_program(self, name: str) -> None:
        """Starts a program that is not running. Idempotent."""
        group = self.group()
        states = {row.name: row.state for row in group.status()}
        if states.get(name) not in {"RUNNING", "STARTING", "BACKOFF"}:
            group.start_program(name)

    def operator(self) -> Operator:
        return Operator(Connection.load(self.state))

    def agent_folder(self, site: str) -> Path:
        return self.state / "agents" / site

    # Parts

    def _site_names(self) -> list[str]:
        return [site.name for site in self.topology.sites]

    def _stack(self) -> Stack:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OSR_")}
        return prepare_stack(self.state, environment=environment)

    def _site_programs(self) -> list[Program]:
        programs = []
        for site in self.topology.sites:
            command = [
                sys.executable,
                "-m",
                "deploy.lab.site",
                f"--state={self.state / 'sites'}",
                f"--site={site.name}",
                f"--speed={self.options.speed}",
            ]
            if self.options.topology is not None:
                command.append(f"--topology={self.options.topology.resolve()}")
            programs.append(Program(site_program(site.name), command, priority=50))
        return programs

    def _agent_programs(self, configuration: Configuration) -> list[Program]:
        del configuration
        return [
            Program(
                agent_program(site.name),
                self._agent_command("run"),
                self._agent_environment(site.name),
                priority=300,
                autostart=False,
            )
            for site in self.topology.sites
        ]

    @staticmethod
    def _agent_command(verb: str) -> list[str]:
        return [sys.executable, "-m", "agent.main", verb]

    def _agent_environment(self, site: str) -> dict[str, str]:
        powershell = [
            sys.executable,
            "-m",
            "deploy.lab.powershell",
            f"--site-socket={self.state / 'sites' / site / 'powershell.sock'}",
            "-NoLogo",
            "-NoProfile",
            "-s",
        ]
        return {
            **{k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}},
            "OSR_AGENT_STATE": str(self.agent_folder(site)),
            "OSR_AGENT_POWERSHELL": shlex.join(powershell),
        }

    def _make_connection(self, configuration: Configuration) -> None:
        """Makes a tenant, a subscription and a client, and writes connection.json."""
        tenant, subscription = uuid.uuid4(), uuid.uuid4()
        output = self.state / "secrets" / "principal.json"
        command = [
            sys.executable,
            "-m",
            "coordinator.config.main",
            "principal",
            "--name=labctl",
            f"--tenant={tenant}",
            f"--subscription={subscription}",
            f"--output={output}",
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_LIMIT_SECONDS,
            env={**os.environ, **configuration_environment(configuration)},
        )
        if done.returncode != 0:
            raise StageError(f"making a client failed:\n{done.stdout}{done.stderr}")
        principal = json.loads(output.read_text(encoding="utf-8"))
        Connection(
            endpoint=configuration.api_url,
            authority=configuration.api_url,
            tenant_id=str(tenant),
            client_id=principal["client_id"],
            client_secret=principal["client_secret"],
            subscription_id=str(subscription),
            resource_group=RESOURCE_GROUP,
            vault=VAULT,
            ca_file=str(configuration.state / "ca" / "ca.pem"),
            gateway=configuration.gateway_endpoint,
        ).save(self.state)
        output.unlink()
