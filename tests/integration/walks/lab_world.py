"""The coordinator beside two sites of the lab: its wheels turn when the test says so."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from django.db import transaction
from opensiterecovery.provider.v1 import command_pb2, inventory_pb2

from coordinator.fabrics.models import FabricObject, Provider, VirtualMachine
from coordinator.fabrics.services import apply_inventory
from coordinator.gateway.role_assignments import assignments_of
from coordinator.jobs.models import Job
from coordinator.jobs.registry import Registry
from coordinator.protection import services as protection
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import roles_of
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, register
from tests.integration.protection.world import ORIGIN, World
from tests.integration.walks.sites import BEIJING, LIMIT_SECONDS, MACHINE, SHANGHAI, LabSites

# Retries wait so long at most.
PAUSE_SECONDS = 30
PAUSES = 200


@dataclass
class LabWorld(World):
    """As `World`, but commands are carried out by agents on simulated hosts with real bytes.

    Attributes:
        sites: Running.
        given: The roles that each agent was told last.
    """

    sites: LabSites = field(kw_only=True)
    given: dict[str, bytes] = field(default_factory=dict)
    revision: int = 0

    def _serve(self, provider: FakeProvider) -> bool:
        fabric = Provider.objects.get(id=provider.id).name
        self.give_roles(fabric)
        commands = provider.fetch()
        for command in commands:
            self.catch_up()

            def answer(command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
                agent = self.sites.agents[fabric]
                result.CopyFrom(self.sites.wait(agent.answer(command)))

            provider.answer(command, self.now, answer)
        return bool(commands)

    def serve(self, name: str) -> bool:
        """An agent takes its commands and carries them out."""
        return self._serve(self.shanghai if name == SHANGHAI else self.beijing)

    def catch_up(self) -> None:
        """The coordinator's time is never behind that of the hosts."""
        self.now = max(self.now, datetime.now(UTC))
        for provider in (self.shanghai, self.beijing):
            provider.now = self.now

    def heartbeat(self) -> None:
        self.catch_up()
        Provider.objects.filter(vault=self.vault).update(
            last_heartbeat_at=self.now, disconnected_at=None
        )

    def give_roles(self, name: str) -> None:
        """What each copy at a fabric may do, as a session tells its agent at once."""
        fabric_id = self.fabric(name).id
        roles = assignments_of(roles_of([fabric_id])[fabric_id])
        if self.given.get(name) == roles.SerializeToString(deterministic=True):
            return
        self.given[name] = roles.SerializeToString(deterministic=True)
        agent = self.sites.agents[name]
        self.sites.wait(agent.keep(list(roles.assignments)))
        with transaction.atomic():
            protection.ingest_roles(fabric_id, agent.held, self.now)

    def discover(self) -> None:
        """Both agents tell what VMM and the hosts show."""
        self.catch_up()
        self.revision += 1
        for name in (SHANGHAI, BEIJING):
            found = self.sites.wait(self.sites.agents[name].inventory())
            update = inventory_pb2.InventoryUpdate(
                base_revision=0, revision=self.revision, changed=found, last_part=True
            )
            fabric = self.fabric(name)
            with transaction.atomic():
                apply_inventory(fabric.id, [update], self.now)
                protection.inventory_changed(fabric.id, self.now)
        self.turn()

    def observe(self) -> None:
        """Both agents tell how the machine replicates."""
        self.heartbeat()
        for item in ProtectedItem.objects.filter(vault=self.vault):
            for name in (SHANGHAI, BEIJING):
                seen = self.sites.wait(self.sites.agents[name].replication(item.vm_id))
                with transaction.atomic():
                    protection.ingest_replication(self.fabric(name).id, seen, self.now, self.now)
        self.turn()

    def settle(self) -> None:
        """Until every job has ended: retries wait for their time."""
        self.heartbeat()
        self.turn()
        for _ in range(PAUSES):
            if not Job.objects.filter(vault=self.vault, finished_at=None).exists():
                return
            self.pass_(PAUSE_SECONDS)
            self.heartbeat()
            self.observe()
        unfinished = Job.objects.filter(vault=self.vault, finished_at=None)
        raise AssertionError(f"a job does not end: {[job.scenario for job in unfinished]}")

    def wait_until_protected(self) -> None:
        """First copies and comparisons take their time; the hosts tell when they are done."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.item().state != "Protected":
            assert time.monotonic() < deadline, f"still {self.item().state}"
            self.observe()
        self.settle()

    def machine(self, name: str) -> VirtualMachine:
        rows = VirtualMachine.objects.select_related("fabric").filter(gone_at=None)
        return rows.get(vault=self.vault, name=name, fabric__name=SHANGHAI)

    def map_network(self, name: str = "Front") -> None:
        """Production there is production here."""
        networks = {
            row.fabric.name: row
            for row in FabricObject.objects.select_related("fabric").filter(
                vault=self.vault, kind="vm_network", name=name
            )
        }
        request = protection.MappingRequest(
            vault=self.vault,
            name=name,
            source_fabric=networks[SHANGHAI].fabric,
            source_network_id=networks[SHANGHAI].external_id,
            target_fabric=networks[BEIJING].fabric,
            target_network_id=networks[BEIJING].external_id,
        )
        with transaction.atomic():
            protection.map_networks(request, ORIGIN, self.now)
        self.settle()

    def protect_machine(self) -> None:
        """Brings the machine to Protected."""
        self.discover()
        self.enable(MACHINE)
        self.settle()
        self.wait_until_protected()
        self.discover()


def make_lab_world(registry: Registry, sites: LabSites) -> LabWorld:
    """Two discovered sites, paired, with their networks mapped; nothing is protected."""
    now = datetime.now(UTC)
    vault = Vault.objects.create(
        subscription_id=uuid4(),
        resource_group="rg",
        name=f"walk-{uuid4()}"[:50],
        location="here",
        created_at=now,
    )
    shanghai, beijing = (register(vault, name, now) for name in (SHANGHAI, BEIJING))
    world = LabWorld(vault, registry, shanghai, beijing, now=now, sites=sites)
    world.heartbeat()
    world.discover()
    world.pair()
    world.settle()
    world.map_network()
    return world
