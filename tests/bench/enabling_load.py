"""The load of the figure about enabling: one request, hosts that take no time, both finalizings."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection, transaction
from opensiterecovery.provider.v1 import command_pb2

from coordinator.config.waiting import wait_for
from coordinator.fabrics.models import Host, Provider
from coordinator.jobs.registry import Registry
from coordinator.protection.models import FirstCopy, Pairing, ProtectedItem
from coordinator.protection.services import (
    Enabled,
    ProtectionRequest,
    RequestOrigin,
    enable_machines,
    ingest_replication,
)
from coordinator.protection.states import PairingState, ProtectionState
from tests.bench.replication_rate import children_of, processor_seconds
from tests.integration.protection.world import World, add_machine, make_world

# As the API does it.
MACHINES_IN_A_TRANSACTION = 20
LIMIT_SECONDS = 600.0
ROOM = str(64 * 1024**4)


@dataclass
class EnablingLoad:
    """A vault of its own in a running stack, whose workers do the work.

    Attributes:
        stub_seconds: Processor time of what stands for agents and hosts.
        most_at_once: Of first copies, on any source.
    """

    world: World = field(default_factory=lambda: make_world(Registry()))
    stub_seconds: float = 0.0
    most_at_once: int = 0
    copying: list[str] = field(default_factory=list)

    def pair(self) -> None:
        # Both providers are heard of, and the hosts have room for all.
        self.serve()
        for host in Host.objects.filter(vault=self.world.vault):
            host.details |= {"total_memory_bytes": ROOM, "available_memory_bytes": ROOM}
            host.save()
        pairing, _ = self.world.pair()

        def paired() -> bool:
            self.serve()
            return Pairing.objects.get(id=pairing.id).state == PairingState.PAIRED

        wait_for("the clouds to be paired", paired, LIMIT_SECONDS)

    def enable(self, machines: int) -> float:
        """Asks for all of them; returns the seconds that took."""
        for number in range(machines):
            host = f"goldcloud1-hv{1 + number % 2}.shanghai.contoso.com"
            add_machine(self.world, f"Bench{number}", "GoldCloud1", host)
        cloud = self.world.cloud("GoldCloud1")
        found = [self.world.machine(f"Bench{number}") for number in range(machines)]
        origin = RequestOrigin(started_by="bench", client_request_id="bench")
        began = time.perf_counter()
        for start in range(0, machines, MACHINES_IN_A_TRANSACTION):
            requests = [
                (ProtectionRequest(name=one.external_id, machine=one, batch=str(cloud.pk)), origin)
                for one in found[start : start + MACHINES_IN_A_TRANSACTION]
            ]
            with transaction.atomic():
                outcomes = enable_machines(requests, datetime.now(UTC))
            if not all(isinstance(one, Enabled) for one in outcomes):
                raise RuntimeError(f"not all began: {outcomes}")
        return time.perf_counter() - began

    def finish(self, machines: int) -> None:
        """Until every machine is protected."""

        def protected() -> bool:
            self.serve()
            items = ProtectedItem.objects.filter(vault=self.world.vault)
            if items.filter(state=ProtectionState.ENABLING_FAILED).exists():
                raise RuntimeError("a machine could not be protected")
            return items.filter(state=ProtectionState.PROTECTED).count() == machines

        wait_for("the machines to be protected", protected, LIMIT_SECONDS)

    def serve(self) -> None:
        """One round of gateways and agents: every command answered, every copy over."""
        now = datetime.now(UTC)
        self.world.now = now
        Provider.objects.filter(vault=self.world.vault).update(last_heartbeat_at=now)
        for provider in (self.world.shanghai, self.world.beijing):
            provider.now = now
            with transaction.atomic():
                commands = provider.fetch(200)
            for command in commands:
                with transaction.atomic():
                    provider.answer(command, now, self._answer)
        self._report(now)

    def _answer(self, command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
        began = time.process_time()
        self.world.hyperv.answer(command, result)
        if command.WhichOneof("verb") == "start_initial_replication":
            self.copying.append(command.start_initial_replication.vm.vm_id)
        self.stub_seconds += time.process_time() - began

    def _report(self, now: datetime) -> None:
        """Both sites tell of the copies that are over, as one report each."""
        items = ProtectedItem.objects.filter(vault=self.world.vault, vm_id__in=self.copying)
        begun = list(items.filter(state=ProtectionState.INITIAL_REPLICATION))
        if not begun:
            return
        self.most_at_once = max(self.most_at_once, _most_on_a_source())
        started = time.process_time()
        for item in begun:
            self.copying.remove(item.vm_id)
            self.world.hyperv.finish_copy(item.vm_id)
        sides = {
            "vmm-shanghai": [(item.vm_id, item.primary_host) for item in begun],
            "vmm-beijing": [(item.vm_id, item.recovery_host) for item in begun],
        }
        reports = {
            name: [self.world.hyperv.report(vm_id, host, now) for vm_id, host in places]
            for name, places in sides.items()
        }
        self.stub_seconds += time.process_time() - started
        for name, states in reports.items():
            with transaction.atomic():
                ingest_replication(self.world.fabric(name).id, states, now, now)


def _most_on_a_source() -> int:
    hosts = FirstCopy.objects.filter(granted_at__isnull=False, ended_at=None)
    counts: dict[str, int] = {}
    for host in hosts.values_list("source_host", flat=True):
        counts[host] = counts.get(host, 0) + 1
    return max(counts.values(), default=0)


def stack_processes() -> Sequence[int]:
    """Celery's workers of the stack whose environment this process has."""
    state = f"OSR_STATE={os.environ['OSR_STATE']}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"worker" in command and state in environment and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def database_seconds() -> float:
    """Processor time of the database's processes that are there now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = int(cursor.fetchone()[0])
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    postmaster = int(stat.rpartition(")")[2].split()[1])
    return sum(processor_seconds(child) for child in children_of(postmaster))


def worker_seconds() -> float:
    """Processor time of the workers."""
    return sum(processor_seconds(pid) for pid in stack_processes())
