"""Refreshing a server and checking its consistency."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Fabric, Provider, VirtualMachine
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection import services as protection
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db


def refresh(world: World, name: str = "vmm-shanghai") -> Job:
    with transaction.atomic():
        return protection.refresh_server(world.fabric(name), ORIGIN, world.now)


def check(world: World, name: str = "vmm-shanghai") -> Job:
    with transaction.atomic():
        return protection.check_consistency(world.fabric(name), ORIGIN, world.now)


def store(world: World, revision: int, name: str = "vmm-shanghai") -> None:
    Fabric.objects.filter(pk=world.fabric(name).pk).update(inventory_revision=revision)


def run(world: World, job: Job) -> Job:
    world.turn()
    world.pass_(30)
    world.turn()
    job.refresh_from_db()
    return job


@pytest.mark.spec("DI-2")
def test_a_refresh_ends_when_the_vault_has_what_was_seen(world: World) -> None:
    world.hyperv.inventory_revision = 77
    job = refresh(world)
    world.work()
    [command] = world.shanghai.fetch()
    world.shanghai.answer(command, world.now, world.hyperv.answer)
    for _ in range(3):
        world.work()
    job.refresh_from_db()
    assert job.state == JobState.IN_PROGRESS
    store(world, 77)
    assert run(world, job).state == JobState.SUCCEEDED
    assert not OperationLock.objects.exists()


@pytest.mark.spec("DI-2")
def test_one_look_at_a_time_and_none_at_a_server_that_is_away(world: World) -> None:
    refresh(world)
    with pytest.raises(RefusedError) as busy:
        check(world)
    assert busy.value.failure.code == "532"
    Provider.objects.update(last_heartbeat_at=world.now - timedelta(hours=1))
    with pytest.raises(RefusedError) as away:
        refresh(world, "vmm-beijing")
    assert away.value.failure.code == "ProviderNotConnected"


def differences(job: Job) -> dict[str, list[str]]:
    [task] = [step for step in job_view(job).steps if step.details]
    assert task.details["instanceType"] == "ConsistencyCheckTaskDetails"
    found = task.details["vmDetails"]
    assert isinstance(found, list)
    return {each["vmName"]: each["errorIds"] for each in found}


def relate(world: World, name: str, mode: str) -> None:
    machine = world.machine(name)
    machine.details["replication"] = {"mode": mode, "state": "Replicating"}
    machine.save()


@pytest.mark.spec("DI-4")
def test_what_agrees_gives_an_empty_list(world: World) -> None:
    world.protect()
    relate(world, "GoldVM1", "Primary")
    assert differences(run(world, check(world))) == {}


@pytest.mark.spec("DI-4")
def test_each_difference_is_listed_by_machine(world: World) -> None:
    world.protect()
    machine = world.machine("GoldVM1")
    relate(world, "GoldVM2", "Primary")
    VirtualMachine.objects.filter(pk=machine.pk).update(host_fqdn="hv9.elsewhere.example")
    found = differences(run(world, check(world)))
    assert found["GoldVM1"] == ["HostDiffers", "ReplicationMissing"]
    assert found["GoldVM2"] == ["ReplicationUnknown"]


@pytest.mark.spec("DI-4")
def test_the_recovery_side_is_compared_with_its_own_server(world: World) -> None:
    world.protect()
    found = differences(run(world, check(world, "vmm-beijing")))
    assert found == {"GoldVM1": ["VirtualMachineMissing"]}


@pytest.mark.spec("DI-4")
def test_nothing_is_said_of_replication_on_hosts_that_were_not_read(world: World) -> None:
    world.protect()
    world.hyperv.unread_hosts = [world.item().primary_host.upper()]
    assert differences(run(world, check(world))) == {}
