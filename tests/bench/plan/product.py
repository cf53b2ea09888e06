"""Plans run by the product: in a stack of its own, with agents that only wait."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import redis
from django.conf import settings
from django.db import transaction
from opensiterecovery.provider.v1.registration_pb2 import VmmServer

from agent.identity import load_identity
from agent.registering import RegisterOptions, register_interactively
from agent.state_folder import StateFolder
from coordinator.config.process_group import ProcessGroup
from coordinator.config.waiting import wait_for
from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.services import BeginJob, begin_job
from coordinator.jobs.steps import (
    ChildJob,
    Graph,
    JobTarget,
    StepKind,
    StepSpec,
    TaskSpec,
    host_slot,
)
from coordinator.vaults.authority import ensure_authority
from coordinator.vaults.services import (
    KeyIssuer,
    VaultName,
    create_vault,
    generate_registration_key,
)
from tests.bench.plan.action_log import Record, is_complete, read_log
from tests.bench.plan.processor import used_seconds
from tests.bench.plan.stub_agent import ACTION_VERBS
from tests.bench.plan.workload import GROUPS, HOSTS, Machine, host_name, machine_id, make_machines

AGENTS = 2
START_LIMIT_SECONDS = 300.0
RUN_LIMIT_SECONDS = 600.0
# Programs of the stack whose processor time counts.
COUNTED = ("postgres", "redis", "api", "gateway", "worker-failover", "worker", "beat")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PlanRun:
    """What a run was like.

    Attributes:
        record: Of the actions.
        begin_seconds: How long it took to write the plan's job.
        asked_at: When that was committed, by the monotonic clock.
        processor_seconds: By program.
        redis_bytes: Sent to Redis.
    """

    machines: Sequence[Machine]
    record: Record
    begin_seconds: float
    asked_at: float
    ended_at: float
    processor_seconds: Mapping[str, float]
    redis_bytes: int


class Bench:
    """A vault with two servers and their agents."""

    def __init__(self, group: ProcessGroup, folder: Path) -> None:
        self._group = group
        self._folder = folder
        self._log = folder / "actions.log"
        self._log.touch()
        configuration = settings.CONFIGURATION
        self.authority = ensure_authority(configuration.state / "ca", utc_now())
        self._redis = redis.Redis.from_url(configuration.redis_url)
        self.providers: list[UUID] = []
        self.agents: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def ready(self) -> Iterator[None]:
        """With agents that are connected."""
        with transaction.atomic():
            name = VaultName(uuid4(), "bench", f"bench-{uuid4().hex[:8]}")
            self.vault = create_vault(name, "bench", utc_now())
            issuer = KeyIssuer(self.authority, settings.CONFIGURATION.gateway_endpoint)
            key = generate_registration_key(self.vault, issuer, "bench", utc_now(), AGENTS)
        key_file = self._folder / "registration.key"
        key_file.write_text(key.file.reveal(), encoding="utf-8")
        wait_for("the gateway", _gateway_listens, START_LIMIT_SECONDS)
        try:
            for number in range(AGENTS):
                self._start_agent(number, key_file)
            wait_for("the agents", self._connected, START_LIMIT_SECONDS)
            yield
        finally:
            for agent in self.agents:
                agent.send_signal(signal.SIGTERM)
            for agent in self.agents:
                agent.wait(START_LIMIT_SECONDS)

    def run(self, count: int) -> PlanRun:
        """One plan of so many machines, from its job's commit to its end."""
        os.truncate(self._log, 0)
        machines = make_machines(count)
        began_at = time.monotonic()
        with transaction.atomic():
            job = begin_job(self._request(machines), utc_now())
        asked_at, used, sent = time.monotonic(), self._used(), self._redis_bytes()

        def ended() -> bool:
            return Job.objects.filter(id=job.id).exclude(finished_at=None).exists()

        # The database is not asked while it is measured.
        wait_for("the actions", lambda: is_complete(self._log, machines), RUN_LIMIT_SECONDS)
        wait_for("the plan", ended, RUN_LIMIT_SECONDS)
        ended_at, after = time.monotonic(), self._used()
        job.refresh_from_db()
        if (job.state, job.state_description) != ("Succeeded", "Completed"):
            raise RuntimeError(f"the plan is {job.state}, {job.state_description}")
        return PlanRun(
            machines,
            read_log(self._log, machines),
            asked_at - began_at,
            asked_at,
            ended_at,
            {name: after[name] - used[name] for name in used},
            self._redis_bytes() - sent,
        )

    def _start_agent(self, number: int, key_file: Path) -> None:
        folder = StateFolder(self._folder / f"agent-{number}")
        server = VmmServer(
            fqdn=f"vmm{number}.bench.test",
            product_version="4.2",
            installation_id=str(uuid4()),
        )

        async def ask() -> VmmServer:
            return server

        options = RegisterOptions(key_file, folder, ask, None, True, False, None)
        code = asyncio.run(register_interactively(options, _say))
        if code != 0:
            raise RuntimeError(f"an agent was not registered: {code}")
        self.providers.append(load_identity(folder.identity).provider_id)
        with (folder.path / "agent.log").open("wb") as log:
            self.agents.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "tests.bench.plan.stub_agent",
                        str(folder.path),
                        str(self._log),
                    ],
                    stderr=log,
                )
            )

    def _connected(self) -> bool:
        heard = Provider.objects.filter(id__in=self.providers, fence__gt=0, disconnected_at=None)
        return heard.exclude(last_heartbeat_at=None).count() == AGENTS

    def _used(self) -> dict[str, float]:
        used = {
            row.name: used_seconds([row.pid])
            for row in self._group.status()
            if row.name in COUNTED and row.pid
        }
        used["agents"] = used_seconds(agent.pid for agent in self.agents)
        return used

    def _redis_bytes(self) -> int:
        return int(self._redis.info("stats")["total_net_input_bytes"])

    def _request(self, machines: Sequence[Machine]) -> BeginJob:
        groups = [
            [f"vm{machine.number}" for machine in machines if machine.group == number]
            for number in range(GROUPS)
        ]
        steps = tuple(
            StepSpec(
                key=f"group{number}",
                task=f"Group{number}",
                kind=StepKind.GROUP,
                action="",
                inputs={"members": members, "gate": "boot"},
                after=(f"group{number - 1}",) if number else (),
            )
            for number, members in enumerate(groups)
        )
        tasks = tuple(TaskSpec(f"Group{number}", f"Group {number}") for number in range(GROUPS))
        children = tuple(self._child(machine, len(machines)) for machine in machines)
        return BeginJob(
            vault_id=self.vault.id,
            scenario="Bench",
            friendly_name="Bench",
            target=JobTarget("RecoveryPlan", str(uuid4()), "Bench"),
            graph=Graph(tasks, steps, children),
            queue=QueueName.FAILOVER,
            started_by="bench",
        )

    def _child(self, machine: Machine, count: int) -> ChildJob:
        host = host_name(machine.host)
        provider = self.providers[machine.host * AGENTS // HOSTS]
        vm = {"vm_id": str(machine_id(count, machine.number)), "host": host}
        steps = tuple(
            StepSpec(
                key=f"action{action}",
                task="Actions",
                kind=StepKind.COMMAND,
                action=verb,
                provider=str(provider),
                inputs={"vm": vm},
                after=(f"action{action - 1}",) if action else (),
                gate="boot",
                slot=host_slot(host),
                expected_seconds=machine.expected_seconds[action],
            )
            for action, verb in enumerate(ACTION_VERBS)
        )
        return ChildJob(
            key=f"vm{machine.number}",
            scenario="Bench",
            friendly_name="Bench",
            target=JobTarget("ProtectionEntity", str(uuid4()), f"vm{machine.number}"),
            graph=Graph((TaskSpec("Actions", "Actions"),), steps),
            locks=(f"bench:{uuid4()}",),
        )


def _gateway_listens() -> bool:
    address = settings.CONFIGURATION.gateway_host, settings.CONFIGURATION.gateway_port
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


def _say(message: str, *, err: bool = False) -> None:
    if err:
        sys.stderr.write(message + "\n")
