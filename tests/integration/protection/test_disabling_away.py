"""Disabling protection while providers are away: nothing is lost, and it ends when they return."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job
from coordinator.jobs.queries import find_job
from coordinator.jobs.states import JobState
from coordinator.protection import services
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ProtectionState
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RE-7")]

HV1 = "goldcloud1-hv1.shanghai.contoso.com"


class Absence:
    """A protected machine whose providers come and go."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.protect()
        self.there = {world.shanghai.id, world.beijing.id}
        self.job = Job()

    def leave(self, *providers: FakeProvider) -> None:
        for provider in providers:
            self.there.discard(provider.id)
            Provider.objects.filter(id=provider.id).update(disconnected_at=self.world.now)

    def come_back(self, *providers: FakeProvider) -> None:
        for provider in providers:
            self.there.add(provider.id)
            provider.now = self.world.now
            Provider.objects.filter(id=provider.id).update(
                disconnected_at=None,
                connected_at=self.world.now,
                last_heartbeat_at=self.world.now,
            )
            for command in provider.reconnect():
                provider.answer(command, self.world.now, self.world.hyperv.answer)
        self.turn()

    def disable(self) -> None:
        with transaction.atomic():
            self.job = services.disable_protection(self.world.item(), ORIGIN, self.world.now)
        self.turn()

    def turn(self) -> None:
        """As the world's, but who is away fetches nothing."""
        busy = True
        while busy:
            busy = self.world.work()
            for provider in (self.world.shanghai, self.world.beijing):
                if provider.id in self.there:
                    for command in provider.fetch():
                        provider.answer(command, self.world.now, self.world.hyperv.answer)
                        busy = True
        self.job.refresh_from_db()

    def pass_hours(self, hours: int) -> None:
        """The sweep advances the job whenever it is due."""
        end = self.world.now + timedelta(hours=hours)
        while self.job.wake_at is not None and self.job.wake_at <= end:
            self.world.now = max(self.world.now, self.job.wake_at)
            advance(self.job.id, self.world.registry, self.world.clock)
            self.job.refresh_from_db()
        self.world.now = end

    def told(self) -> list[str]:
        view = find_job(self.job.vault_id, self.job.id)
        assert view is not None
        return [task.activity for task in view.tasks if task.activity]


@pytest.fixture
def absence(world: World) -> Absence:
    return Absence(world)


def test_disabling_waits_for_the_primary_sites_provider_and_says_so(absence: Absence) -> None:
    absence.leave(absence.world.shanghai)
    absence.disable()
    absence.pass_hours(50)
    assert absence.job.state == JobState.IN_PROGRESS
    assert absence.world.item().state == ProtectionState.DISABLING
    [text] = absence.told()
    assert text == (
        "Waits for the provider of vmm-shanghai, which is not connected; goes on when it is."
    )
    absence.come_back(absence.world.shanghai)
    assert absence.job.state == JobState.SUCCEEDED
    assert not ProtectedItem.objects.exists()


def test_disabling_waits_for_the_recovery_sites_provider_only(absence: Absence) -> None:
    absence.leave(absence.world.beijing)
    absence.disable()
    assert f"replication.removed {HV1}" in absence.world.hyperv.effects
    absence.pass_hours(50)
    assert absence.job.state == JobState.IN_PROGRESS
    assert "vmm-beijing" in absence.told()[0]
    absence.come_back(absence.world.beijing)
    # VMM of the primary site was refreshed, or looks by itself.
    assert absence.job.state == JobState.SUCCEEDED
    assert not ProtectedItem.objects.exists()


def test_disabling_waits_for_both_one_after_the_other(absence: Absence) -> None:
    absence.leave(absence.world.shanghai, absence.world.beijing)
    absence.disable()
    absence.pass_hours(20)
    absence.come_back(absence.world.shanghai)
    absence.pass_hours(20)
    assert absence.job.state == JobState.IN_PROGRESS
    absence.come_back(absence.world.beijing)
    assert absence.job.state == JobState.SUCCEEDED


def test_a_replica_is_kept_when_its_machine_was_lost_while_the_other_site_was_away(
    world: World,
) -> None:
    world.policy(replicaDeletion="Required")
    absence = Absence(world)
    item = world.item()
    absence.leave(world.beijing)
    absence.disable()
    absence.pass_hours(50)
    del world.hyperv.copies[HV1, item.vm_id]
    absence.come_back(world.beijing)
    assert absence.job.state == JobState.FAILED
    assert absence.job.errors[0]["code"] == "MachineMissing"
    assert (item.recovery_host, item.vm_id) in world.hyperv.copies
    assert world.item().state == ProtectionState.DISABLING_FAILED


def test_a_provider_that_dies_in_the_middle_goes_on_when_it_is_back(absence: Absence) -> None:
    with transaction.atomic():
        absence.job = services.disable_protection(absence.world.item(), ORIGIN, absence.world.now)
    absence.world.work()
    [fetched] = absence.world.shanghai.fetch()
    assert fetched.WhichOneof("verb") == "remove_replication"
    absence.leave(absence.world.shanghai)
    absence.pass_hours(30)
    assert absence.job.state == JobState.IN_PROGRESS
    absence.come_back(absence.world.shanghai)
    assert absence.job.state == JobState.SUCCEEDED
    assert absence.world.hyperv.effects.count(f"replication.removed {HV1}") == 1


def test_another_operation_is_told_what_keeps_it_waiting(absence: Absence) -> None:
    absence.leave(absence.world.shanghai)
    absence.disable()
    with pytest.raises(RefusedError, match="Disable protection") as refused, transaction.atomic():
        services.disable_protection(absence.world.item(), ORIGIN, absence.world.now)
    assert str(absence.job.id) in str(refused.value)


def test_an_item_can_be_forgotten_when_its_site_never_comes_back(absence: Absence) -> None:
    absence.leave(absence.world.shanghai)
    absence.disable()
    absence.pass_hours(50)
    with transaction.atomic():
        services.remove_from_vault(absence.world.item(), ORIGIN, absence.world.now)
    assert not ProtectedItem.objects.exists()
    absence.job.refresh_from_db()
    assert absence.job.state == JobState.CANCELLED
    # Its provider comes back after all: what nobody waits for is not sent.
    absence.world.shanghai.now = absence.world.now
    assert absence.world.shanghai.fetch() == []


def test_an_item_is_not_forgotten_while_its_sites_are_at_work_on_it(absence: Absence) -> None:
    now = absence.world.now
    Provider.objects.update(connected_at=now, last_heartbeat_at=now, disconnected_at=None)
    with transaction.atomic():
        absence.job = services.disable_protection(absence.world.item(), ORIGIN, absence.world.now)
    absence.world.work()
    with pytest.raises(RefusedError) as refused, transaction.atomic():
        services.remove_from_vault(absence.world.item(), ORIGIN, absence.world.now)
    assert refused.value.failure.code == "532"
