"""Random operations of the failover family: the item and both hosts stay in agreement."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, OperationLock
from coordinator.protection.operations import allowed_operations
from coordinator.protection.states import ProtectionState
from coordinator.recovery import services as recovery
from coordinator.recovery.options import (
    ChangePointOptions,
    RecoveryTag,
    UnplannedFailoverOptions,
)
from tests.integration.protection.fake_hyperv import Copy, broken
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

STEPS = 25
BREAKABLE = (
    "read_replication",
    "stop_virtual_machine",
    "prepare_failover",
    "start_failover",
    "start_virtual_machine",
    "complete_failover",
    "cancel_failover",
    "make_replica",
    "reverse_replication",
    "start_initial_replication",
    "read_virtual_machine",
)
S = ProtectionState
IN_PROGRESS = {state for state in S if not allowed_operations(state)} - {S.INITIAL_REPLICATION}
# Where the active copy stands when nothing is uncertain.
ACTIVE = {
    S.PROTECTED: {("Primary", "Replicating")},
    S.COMMIT_PENDING: {("Replica", "FailedOverWaitingCompletion")},
    S.UNPLANNED_COMMIT_PENDING: {("Replica", "FailedOverWaitingCompletion")},
    S.FAILOVER_ABANDONED: {("Primary", "Replicating")},
    S.COMMITTED: {("Replica", "FailedOver")},
}


class Walk:
    """One random walk."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.epoch = 1

    def operations(self) -> dict[str, Callable[[], Job]]:
        world, item = self.world, self.world.item()
        with_source = self.random.random() < 0.5
        tag = self.random.choice([RecoveryTag.LATEST, RecoveryTag.LATEST_CRASH_CONSISTENT])
        options = UnplannedFailoverOptions(source_site_operations=with_source, recovery_tag=tag)
        change = ChangePointOptions(recovery_tag=tag)
        return {
            "PlannedFailover": partial(recovery.planned_failover, item, None, ORIGIN, world.now),
            "UnplannedFailover": partial(
                recovery.unplanned_failover, item, options, ORIGIN, world.now
            ),
            "ChangePit": partial(recovery.change_recovery_point, item, change, ORIGIN, world.now),
            "CancelFailover": partial(recovery.cancel_failover, item, ORIGIN, world.now),
            "AbandonFailover": partial(recovery.abandon_failover, item, ORIGIN, world.now),
            "Commit": partial(recovery.commit_failover, item, ORIGIN, world.now),
            "ReverseReplicate": partial(recovery.reverse_replicate, item, ORIGIN, world.now),
        }

    def step(self) -> str:
        """One operation, with a verb that may fail, or a site that comes and goes."""
        self.heartbeat()
        name, begin = self.random.choice(list(self.operations().items()))
        if self.random.random() < 0.5:
            self.world.hyperv.broken[self.random.choice(BREAKABLE)] = broken()
        refused = self.refusal(begin)
        assert refused in {"", "OperationNotAllowed"}
        if refused:
            self.world.hyperv.broken.clear()
            return f"{name} refused"
        self.turn_till_idle()
        self.world.hyperv.broken.clear()
        self.finish_copies()
        return name

    def refusal(self, begin: Callable[[], Job]) -> str:
        """The code that an operation is refused with; empty when it begins."""
        try:
            with transaction.atomic():
                begin()
        except RefusedError as error:
            return error.failure.code
        return ""

    def heartbeat(self) -> None:
        Provider.objects.filter(vault=self.world.vault).update(
            last_heartbeat_at=self.world.now, disconnected_at=None
        )

    def turn_till_idle(self) -> None:
        """Until every job has ended: retries wait for their time."""
        self.world.turn()
        for _ in range(200):
            if not Job.objects.filter(finished_at=None).exists():
                return
            self.world.pass_(30)
            self.heartbeat()
            self.world.turn()
        raise AssertionError("a job does not end")

    def finish_copies(self) -> None:
        """A comparison that runs ends, and both sides tell so."""
        item = self.world.item()
        if item.state == S.INITIAL_REPLICATION:
            self.world.hyperv.finish_copy(item.vm_id)
            self.world.report()
            self.turn_till_idle()

    def copies(self) -> tuple[Copy, Copy]:
        """The active one first."""
        item, known = self.world.item(), self.world.hyperv.copies
        primary = known[item.primary_host, item.vm_id]
        recovery_copy = known[item.recovery_host, item.vm_id]
        if item.active_location == "Primary":
            return primary, recovery_copy
        return recovery_copy, primary

    def check(self) -> None:
        item = self.world.item()
        active, passive = self.copies()
        state = S(item.state)
        assert state not in IN_PROGRESS
        assert not OperationLock.objects.exists()
        assert item.role_epoch >= self.epoch
        self.epoch = item.role_epoch
        assert not (active.vm_state == passive.vm_state == "Running")
        if state in ACTIVE:
            assert (active.mode, active.state) in ACTIVE[state]
            assert passive.vm_state == "Off"
        if state is S.PROTECTED:
            assert (passive.mode, passive.state) == ("Replica", "Replicating")
            assert item.failover_type == ""


@pytest.mark.spec("FO-6", "FO-7")
@pytest.mark.parametrize("seed", range(12))
def test_item_and_hosts_agree_after_every_operation(world: World, seed: int) -> None:
    world.protect()
    world.report(points=3)
    walk = Walk(world, seed)
    done = []
    for _ in range(STEPS):
        done.append(walk.step())
        walk.check()
    assert any("refused" not in name for name in done)
