"""What a look saw of a machine before a command changed it never counts afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opensiterecovery.provider.v1 import inventory_pb2 as wire

from agent.fabric.differences import Step, difference, digests, parts
from agent.fabric.inventory import ObjectKey, inventory_of
from agent.fabric.inventory_watch import machines_of
from coordinator.fabrics.models import Fabric, SettledMachine, VirtualMachine
from coordinator.fabrics.services import (
    InventoryOutcome,
    apply_inventory,
    register_provider,
    settle_machine,
)
from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority
from tests.integration.fabrics.servers import VmmServerToRegister, make_key_file

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
MACHINES = ("a", "b")
HOST = "hv1.example.com"


def vm_id(machine: str) -> str:
    return f"00000000-0000-0000-0000-00000000000{machine}"


@dataclass
class Truth:
    """What the hosts have: whether a machine is there, and whether it replicates."""

    present: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(MACHINES, True))
    replicates: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(MACHINES, True))

    def object(self, machine: str) -> wire.InventoryObject | None:
        if not self.present[machine]:
            return None
        seen = wire.VirtualMachine(
            id=machine, vm_id=vm_id(machine), name=machine, host_fqdn=HOST, state="Running"
        )
        if self.replicates[machine]:
            seen.replication.mode = "Primary"
        return wire.InventoryObject(virtual_machine=seen)


@dataclass
class Look:
    """One look: what of it was read so far."""

    began_at: datetime
    seen: list[wire.InventoryObject] = field(default_factory=list)
    unread: list[str] = field(default_factory=lambda: list(MACHINES))
    # Told of in any case: commands touched them before the look began.
    touched: set[str] = field(default_factory=set)


class Walk:
    """An agent that looks while commands work, and the coordinator that hears of both.

    Commands end before the coordinator hears of it; so do looks.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.truth = Truth()
        self.seconds = 0
        self.look: Look | None = None
        self.touched: set[str] = set()
        self.told: list[Look] = []
        self.revision = 0
        self.known: dict[ObjectKey, bytes] = {}
        self.ended: list[tuple[str, datetime, bool]] = []
        # By machine, when the last command ended that the coordinator knows of.
        self.heard: dict[str, datetime] = {}

    def now(self) -> datetime:
        self.seconds += 1
        return START + timedelta(seconds=self.seconds)

    def step(self, action: str, machine: str) -> None:
        getattr(self, action)(machine)

    def begin_look(self, _: str) -> None:
        if self.look is None:
            self.look = Look(self.now(), touched=self.touched)
            self.touched = set()

    def read(self, machine: str) -> None:
        if self.look is not None and machine in self.look.unread:
            self.look.unread.remove(machine)
            seen = self.truth.object(machine)
            self.look.seen += [] if seen is None else [seen]

    def end_look(self, _: str) -> None:
        if self.look is None:
            return
        for machine in list(self.look.unread):
            self.read(machine)
        self.told.append(self.look)
        self.look = None

    def hear_look(self, _: str) -> None:
        """The coordinator hears of the looks."""
        while self.told:
            look = self.told.pop(0)
            seen = inventory_of(look.seen)
            again = machines_of(seen, {vm_id(machine) for machine in look.touched})
            known = {key: kept for key, kept in self.known.items() if key not in again}
            found = difference(known, seen, digests(seen))
            step = Step(self.revision, self.revision + 1, look.began_at)
            with transaction.atomic():
                outcome = apply_inventory(self.fabric.id, list(parts(found, step)), self.now())
            assert outcome is InventoryOutcome.STORED
            self.revision += 1
            self.known = digests(seen)

    def end_replication(self, machine: str) -> None:
        self.truth.replicates[machine] = False
        self.touched.add(machine)
        self.ended.append((machine, self.now(), False))

    def delete(self, machine: str) -> None:
        self.truth.present[machine] = self.truth.replicates[machine] = False
        self.touched.add(machine)
        self.ended.append((machine, self.now(), True))

    def hear_command(self, _: str) -> None:
        while self.ended:
            machine, at, deleted = self.ended.pop(0)
            with transaction.atomic():
                settle_machine(
                    vm_id(machine),
                    {self.fabric.id: at},
                    self.now(),
                    (self.fabric.id, HOST) if deleted else None,
                )
            self.heard[machine] = at

    def replicate_by_hand(self, machine: str) -> None:
        if self.truth.present[machine]:
            self.truth.replicates[machine] = True

    def come_back(self, machine: str) -> None:
        self.truth.present[machine] = True

    def check(self) -> None:
        """Nothing shows that a command known to the coordinator had ended, unless it is true."""
        for machine in self.heard:
            shown = _row(self.fabric, machine)
            if shown is not None and "replication" in shown.details:
                assert self.truth.replicates[machine] or self._ended_later(machine)
            if shown is not None and shown.gone_at is None:
                assert self.truth.present[machine] or self._ended_later(machine)

    def _ended_later(self, machine: str) -> bool:
        """A command has ended since, of which the coordinator has not heard yet."""
        return any(each == machine for each, _, _ in self.ended)

    def catch_up(self) -> None:
        """Everything is heard of; then one more look shows what there is."""
        for action in ("end_look", "hear_look", "hear_command", "begin_look", "end_look"):
            self.step(action, "")
        self.hear_look("")
        for machine in MACHINES:
            shown = _row(self.fabric, machine)
            there = shown is not None and shown.gone_at is None
            assert there == self.truth.present[machine]
            if there:
                assert shown is not None
                assert ("replication" in shown.details) == self.truth.replicates[machine]
        assert not SettledMachine.objects.filter(fabric=self.fabric).exists()


def _row(fabric: Fabric, machine: str) -> VirtualMachine | None:
    return VirtualMachine.objects.filter(fabric=fabric, external_id=machine).first()


ACTIONS = (
    "begin_look",
    "read",
    "end_look",
    "hear_look",
    "end_replication",
    "delete",
    "hear_command",
    "replicate_by_hand",
    "come_back",
)


@pytest.fixture
def fabric(vault: Vault, authority: Authority, now: datetime) -> Fabric:
    request = VmmServerToRegister("VMM-Shanghai").request(make_key_file(vault, authority, now))
    return register_provider(request, authority, now).fabric


@pytest.mark.spec("DI-2", "RE-7")
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(MACHINES)), max_size=30),
)
def test_no_look_shows_a_replication_that_a_later_command_ended(
    fabric: Fabric, steps: list[tuple[str, str]]
) -> None:
    with transaction.atomic():
        walk = Walk(fabric)
        for action, machine in steps:
            walk.step(action, machine)
            walk.check()
        walk.catch_up()
        transaction.set_rollback(True)
