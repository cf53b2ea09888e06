"""The load of the figure about enabling: one request; real agents, hosts that take no time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from opensiterecovery.provider.v1.registration_pb2 import VmmServer

from agent.registering import RegisterOptions, register_interactively
from agent.state_folder import StateFolder
from coordinator.config.process_group import ProcessGroup
from coordinator.config.waiting import wait_for
from coordinator.fabrics.models import Cloud, VirtualMachine
from coordinator.jobs.queries import JobFilters, list_jobs
from coordinator.jobs.states import JobState
from coordinator.protection.models import FirstCopy, Pairing, ProtectedItem
from coordinator.protection.requests import PairingRequest
from coordinator.protection.services import (
    Enabled,
    ProtectionRequest,
    RequestOrigin,
    create_pairing,
    create_policy,
    enable_machines,
)
from coordinator.protection.states import PairingState, ProtectionState
from coordinator.vaults.authority import ensure_authority
from coordinator.vaults.services import (
    KeyIssuer,
    VaultName,
    create_vault,
    generate_registration_key,
)
from tests.bench.lab_agents import agent_folder, site_names
from tests.bench.plan.processor import used_seconds

# As the API does it.
MACHINES_IN_A_TRANSACTION = 20
LIMIT_SECONDS = 900.0
LOOK_SECONDS = 0.5
ORIGIN = RequestOrigin(started_by="bench", client_request_id="bench")
POLICY: dict[str, object] = {
    "instanceType": "HyperVReplica2012R2",
    "replicationFrequencyInSeconds": 30,
    "recoveryPoints": 4,
    "replicationPort": 8084,
    "allowedAuthenticationType": 2,
}
# Programs of the stack whose processor time counts.
COUNTED = ("postgres", "redis", "api", "gateway", "worker-failover", "worker", "beat")


def utc_now() -> datetime:
    return datetime.now(UTC)


class EnablingLoad:
    """A vault of its own in a running stack, with two servers of the lab.

    Args:
        group: The stack's processes.
        folder: For sites and agents.

    Attributes:
        most_at_once: Of first copies, on any source.
    """

    def __init__(self, group: ProcessGroup, folder: Path) -> None:
        self._group = group
        self._folder = folder
        self._agents: subprocess.Popen[bytes] | None = None
        with transaction.atomic():
            name = VaultName(uuid4(), "bench", f"bench-{uuid4().hex[:8]}")
            self.vault = create_vault(name, "bench", utc_now())
        self.most_at_once = 0

    @contextmanager
    def paired(self) -> Iterator[None]:
        """With agents that run and clouds that are paired."""
        self._register()
        with (self._folder / "agents.log").open("wb") as log:
            self._agents = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.lab_agents", str(self._folder)], stderr=log
            )
        try:
            wait_for("the inventory", lambda: self._cloud("ManyCloud2") is not None, LIMIT_SECONDS)
            wait_for("the machines", lambda: self._cloud("ManyCloud1") is not None, LIMIT_SECONDS)
            self._pair()
            yield
        finally:
            self._agents.send_signal(signal.SIGTERM)
            self._agents.wait(LIMIT_SECONDS)

    def enable(self, machines: int) -> float:
        """Asks for all of them; returns the seconds that took."""
        cloud = self._cloud("ManyCloud1")
        if cloud is None:
            raise RuntimeError("the cloud has gone")
        rows = VirtualMachine.objects.filter(
            fabric=cloud.fabric, cloud_external_id=cloud.external_id, gone_at=None
        )
        found = list(rows.select_related("fabric").order_by("name")[:machines])
        if len(found) < machines:
            raise RuntimeError(f"only {len(found)} machines were discovered")
        began = time.perf_counter()
        for start in range(0, machines, MACHINES_IN_A_TRANSACTION):
            requests = [
                (ProtectionRequest(name=one.external_id, machine=one, batch=str(cloud.pk)), ORIGIN)
                for one in found[start : start + MACHINES_IN_A_TRANSACTION]
            ]
            with transaction.atomic():
                outcomes = enable_machines(requests, utc_now())
            if not all(isinstance(one, Enabled) for one in outcomes):
                raise RuntimeError(f"not all began: {outcomes}")
        return time.perf_counter() - began

    def finish(self, machines: int) -> None:
        """Until every machine is protected."""
        looked_at = 0.0

        def protected() -> bool:
            # Seldom: looking costs the database what is measured.
            nonlocal looked_at
            if time.monotonic() - looked_at < LOOK_SECONDS:
                return False
            looked_at = time.monotonic()
            self.most_at_once = max(self.most_at_once, self._most_on_a_source())
            states = Counter(
                ProtectedItem.objects.filter(vault=self.vault).values_list("state", flat=True)
            )
            if states[ProtectionState.ENABLING_FAILED]:
                raise RuntimeError(f"a machine could not be protected: {self._why()}")
            return states[ProtectionState.PROTECTED] == machines

        wait_for("the machines to be protected", protected, LIMIT_SECONDS)

    def used(self) -> dict[str, float]:
        """Processor seconds by program; those of agents and simulated hosts under "agents"."""
        used = {
            row.name: used_seconds([row.pid])
            for row in self._group.status()
            if row.name in COUNTED and row.pid
        }
        used["request"] = time.process_time()
        used["agents"] = used_seconds([] if self._agents is None else [self._agents.pid])
        return used

    def _register(self) -> None:
        configuration = settings.CONFIGURATION
        authority = ensure_authority(configuration.state / "ca", utc_now())
        names = site_names()
        with transaction.atomic():
            issuer = KeyIssuer(authority, configuration.gateway_endpoint)
            key = generate_registration_key(self.vault, issuer, "bench", utc_now(), len(names))
        key_file = self._folder / "registration.key"
        key_file.write_text(key.file.reveal(), encoding="utf-8")
        for name in names:
            server = VmmServer(
                fqdn=f"vmm-{name.lower()}.contoso.com",
                product_version="10.19.2591.0",
                installation_id=str(uuid4()),
            )

            async def ask(found: VmmServer = server) -> VmmServer:
                return found

            folder = agent_folder(self._folder, name)
            folder.mkdir(mode=0o700, parents=True)
            options = RegisterOptions(key_file, StateFolder(folder), ask, None, True, False, None)
            code = asyncio.run(register_interactively(options, _say))
            if code != 0:
                raise RuntimeError(f"the agent of {name} was not registered: {code}")

    def _cloud(self, name: str) -> Cloud | None:
        return Cloud.objects.select_related("fabric").filter(vault=self.vault, name=name).first()

    def _pair(self) -> None:
        primary, recovery = self._cloud("ManyCloud1"), self._cloud("ManyCloud2")
        if primary is None or recovery is None:
            raise RuntimeError("the clouds were not discovered")
        with transaction.atomic():
            policy = create_policy(self.vault, "Many", POLICY, utc_now())
            request = PairingRequest(
                vault=self.vault,
                name="many",
                policy=policy,
                primary_cloud=primary,
                recovery_cloud=recovery,
            )
            pairing, _ = create_pairing(request, ORIGIN, utc_now())

        def is_paired() -> bool:
            state = Pairing.objects.get(id=pairing.id).state
            if state == PairingState.PAIRING_FAILED:
                raise RuntimeError("the clouds could not be paired")
            return bool(state == PairingState.PAIRED)

        wait_for("the clouds to be paired", is_paired, LIMIT_SECONDS)

    def _why(self) -> list[str]:
        failed = list_jobs(self.vault.id, JobFilters(states=(JobState.FAILED,)))
        return [error.failure.message for job in failed for error in job.errors][:3]

    def _most_on_a_source(self) -> int:
        copies = FirstCopy.objects.filter(granted_at__isnull=False, ended_at=None)
        counts = Counter(copies.values_list("source_host", flat=True))
        return max(counts.values(), default=0)


def _say(message: str, *, err: bool = False) -> None:
    if err:
        sys.stderr.write(message + "\n")
