"""The way out of protection: on both sides, or in the vault only."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from opensiterecovery.provider.v1.inventory_pb2 import InventoryObject, InventoryUpdate
from opensiterecovery.provider.v1.inventory_pb2 import VirtualMachine as WireMachine

from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.fabrics.services import apply_inventory
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection import services as protection
from coordinator.protection.inventory import machine_message
from coordinator.protection.models import Policy, ProtectedItem, RecoveryPoint
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import ProtectionState
from coordinator.recovery import services as recovery
from tests.integration.protection.fake_hyperv import Copy, broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RE-7")]


@pytest.fixture
def protected(world: World) -> World:
    """A machine under a policy that deletes replicas."""
    world.policy("Gold", replicaDeletion="Required")
    world.protect()
    return world


def begin(world: World, origin: RequestOrigin = ORIGIN) -> Job:
    with transaction.atomic():
        return protection.disable_protection(world.item(), origin, world.now)


def run(world: World) -> Job:
    job = begin(world)
    world.turn()
    job.refresh_from_db()
    assert not OperationLock.objects.exists()
    return job


def run_with(world: World, verb: str) -> Job:
    world.hyperv.broken[verb] = broken()
    job = run(world)
    world.hyperv.broken.clear()
    assert job.state == JobState.FAILED
    assert world.item().state == ProtectionState.DISABLING_FAILED
    return job


def hosts_with(world: World, vm_id: str) -> dict[str, str]:
    """Who has a copy, and how it takes part in replication."""
    return {
        host: copy.mode for (host, known), copy in world.hyperv.copies.items() if known == vm_id
    }


def test_both_sides_are_taken_apart_the_replica_goes_and_the_machine_runs_on(
    protected: World,
) -> None:
    item = protected.item()
    job = run(protected)
    assert (job.state, job.state_description) == (JobState.SUCCEEDED, "Completed")
    assert not ProtectedItem.objects.exists()
    assert not RecoveryPoint.objects.exists()
    assert hosts_with(protected, item.vm_id) == {item.primary_host: "None"}
    assert protected.hyperv.copies[item.primary_host, item.vm_id].vm_state == "Running"
    assert [effect for effect in protected.hyperv.effects if "removed" in effect] == [
        f"replication.removed {item.primary_host}",
        f"replication.removed {item.recovery_host}",
        f"vm.removed {item.recovery_host}",
    ]


def test_the_machine_can_be_protected_again(protected: World) -> None:
    old = protected.item()
    run(protected)
    protected.enable("GoldVM1")
    protected.turn()
    protected.hyperv.finish_copy(old.vm_id)
    protected.report()
    protected.turn()
    assert protected.item().state == ProtectionState.PROTECTED
    assert protected.item().id != old.id


@pytest.mark.spec("RE-7", "RE-6")
@pytest.mark.parametrize("deleted", [True, False])
def test_the_inventory_knows_at_once_what_the_hosts_have_said(
    protected: World, deleted: bool
) -> None:
    item = protected.item()
    Policy.objects.update(delete_replica=deleted)
    machine = protected.machine("GoldVM1")
    machine.details["replication"] = {"mode": "Primary", "replica_server": item.recovery_host}
    machine.save()
    copy = VirtualMachine.objects.create(
        vault=protected.vault,
        fabric=item.pairing.recovery_fabric,
        external_id="copy",
        name="GoldVM1",
        vm_id=item.vm_id,
        host_fqdn=item.recovery_host,
        details={"replication": {"mode": "Replica"}},
    )
    run(protected)
    machine.refresh_from_db()
    copy.refresh_from_db()
    assert "replication" not in machine.details
    assert "replication" not in copy.details
    assert (copy.gone_at is not None) is deleted
    assert machine.gone_at is None


@pytest.mark.spec("RE-7")
def test_a_look_that_began_before_does_not_bring_back_what_is_gone(protected: World) -> None:
    item = protected.item()
    run(protected)
    seen = machine_message(protected.machine("GoldVM1"))
    seen.replication.mode = "Primary"
    seen.replication.replica_server = item.recovery_host
    copy = WireMachine(id="copy", vm_id=item.vm_id, host_fqdn=item.recovery_host)
    copy.replication.mode = "Replica"
    Fabric.objects.update(inventory_revision=1)
    for fabric_name, machine in (("vmm-shanghai", seen), ("vmm-beijing", copy)):
        fabric = protected.fabric(fabric_name)
        look = InventoryUpdate(
            base_revision=1,
            revision=2,
            changed=[InventoryObject(virtual_machine=machine)],
            last_part=True,
        )
        look.look_began_at.FromDatetime(protected.now - timedelta(minutes=1))
        with transaction.atomic():
            apply_inventory(fabric.id, [look], protected.now)
    protected.enable("GoldVM1")
    protected.turn()
    protected.hyperv.finish_copy(item.vm_id)
    protected.report()
    protected.turn()
    assert protected.item().state == ProtectionState.PROTECTED


def test_a_policy_that_keeps_replicas_leaves_it_there(protected: World) -> None:
    item = protected.item()
    Policy.objects.update(delete_replica=False)
    run(protected)
    assert hosts_with(protected, item.vm_id) == {
        item.primary_host: "None",
        item.recovery_host: "None",
    }


def test_after_failover_and_reversal_the_copy_left_behind_is_the_replica(
    protected: World,
) -> None:
    item = protected.item()
    with transaction.atomic():
        recovery.planned_failover(protected.item(), None, ORIGIN, protected.now)
    protected.turn()
    with transaction.atomic():
        recovery.reverse_replicate(protected.item(), ORIGIN, protected.now)
    protected.turn()
    assert protected.item().active_location == "Recovery"
    assert run(protected).state == JobState.SUCCEEDED
    assert hosts_with(protected, item.vm_id) == {item.recovery_host: "None"}
    assert protected.hyperv.copies[item.recovery_host, item.vm_id].vm_state == "Running"


@pytest.mark.parametrize("committed", [False, True])
def test_after_a_failover_nothing_is_deleted_because_the_other_copy_is_the_old_machine(
    protected: World, *, committed: bool
) -> None:
    item = protected.item()
    with transaction.atomic():
        recovery.planned_failover(protected.item(), None, ORIGIN, protected.now)
    protected.turn()
    if committed:
        with transaction.atomic():
            recovery.commit_failover(protected.item(), ORIGIN, protected.now)
        protected.turn()
    assert run(protected).state == JobState.SUCCEEDED
    assert hosts_with(protected, item.vm_id) == {
        item.primary_host: "None",
        item.recovery_host: "None",
    }
    assert protected.hyperv.effects.count(f"failover.completed {item.recovery_host}") == 1


def test_a_commit_that_was_done_is_not_done_again_by_a_repetition(protected: World) -> None:
    with transaction.atomic():
        recovery.planned_failover(protected.item(), None, ORIGIN, protected.now)
    protected.turn()
    protected.hyperv.broken["remove_replication"] = broken()
    run(protected)
    protected.hyperv.broken.clear()
    job = run(protected)
    assert job.state == JobState.SUCCEEDED
    assert not job.steps.filter(action="complete_failover").exists()


@pytest.mark.parametrize("verb", ["remove_replication", "delete_replica"])
def test_a_failure_is_taken_up_by_the_next_request_with_the_same_aim(
    protected: World, verb: str
) -> None:
    item = protected.item()
    run_with(protected, verb)
    assert run(protected).state == JobState.SUCCEEDED
    assert hosts_with(protected, item.vm_id) == {item.primary_host: "None"}


def test_the_last_copy_of_a_machine_is_not_deleted(protected: World) -> None:
    item = protected.item()
    del protected.hyperv.copies[item.primary_host, item.vm_id]
    job = run(protected)
    assert [error["code"] for error in job.errors] == ["MachineMissing"]
    assert hosts_with(protected, item.vm_id) == {item.recovery_host: "None"}


def test_a_replica_that_somebody_started_is_not_deleted(protected: World) -> None:
    item = protected.item()
    protected.hyperv.copies[item.recovery_host, item.vm_id].vm_state = "Running"
    job = run(protected)
    assert [error["code"] for error in job.errors] == ["ReplicaInUse"]
    assert item.recovery_host in hosts_with(protected, item.vm_id)


@pytest.mark.parametrize("verb", ["test_replication_connection", "start_initial_replication"])
def test_a_failed_enabling_is_cleaned_away(world: World, verb: str) -> None:
    world.policy("Gold", replicaDeletion="Required")
    world.pair()
    world.turn()
    world.hyperv.broken[verb] = broken()
    world.enable()
    world.turn()
    world.hyperv.broken.clear()
    world.report()
    item = world.item()
    assert item.state == ProtectionState.ENABLING_FAILED
    assert run(world).state == JobState.SUCCEEDED
    assert hosts_with(world, item.vm_id) == {item.primary_host: "None"}
    assert not ProtectedItem.objects.exists()


def test_a_machine_that_was_there_before_a_failed_enabling_is_not_deleted(world: World) -> None:
    world.policy("Gold", replicaDeletion="Required")
    world.pair()
    world.turn()
    world.hyperv.broken["enable_replication"] = broken()
    world.enable()
    world.turn()
    world.hyperv.broken.clear()
    item = world.item()
    world.hyperv.copies[item.recovery_host, item.vm_id] = Copy()
    world.report()
    assert run(world).state == JobState.SUCCEEDED
    assert item.recovery_host in hosts_with(world, item.vm_id)


def test_a_provider_that_is_away_gets_its_command_when_it_is_back(protected: World) -> None:
    job = begin(protected)
    # Time passes and workers run, but nobody fetches the command.
    protected.pass_(1800)
    protected.work()
    job.refresh_from_db()
    assert job.state == JobState.IN_PROGRESS
    assert protected.item().state == ProtectionState.DISABLING
    protected.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED


def test_the_same_request_again_finds_its_job(protected: World) -> None:
    item = protected.item()
    origin = replace(ORIGIN, client_request_id="one")
    job = begin(protected, origin)
    assert begin(protected, origin) == job
    protected.turn()
    with transaction.atomic():
        assert protection.disable_protection(item, origin, protected.now) == job


def test_removing_from_the_vault_only_forgets_at_once_and_says_what_is_left(
    protected: World,
) -> None:
    item = protected.item()
    before = list(protected.hyperv.effects)
    with transaction.atomic():
        job = protection.remove_from_vault(item, ORIGIN, protected.now)
    assert not ProtectedItem.objects.exists()
    protected.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert protected.hyperv.effects == before
    told = job_view(job).affected_objects
    assert set(told) == {item.primary_host, item.recovery_host}
    assert "Remove-SCVirtualMachine" in told[item.recovery_host]
    assert "Remove-SCVirtualMachine" not in told[item.primary_host]


@pytest.mark.parametrize("state", list(ProtectionState))
def test_an_idle_item_can_be_removed_from_the_vault_in_every_state(
    protected: World, state: ProtectionState
) -> None:
    ProtectedItem.objects.update(state=state)
    with transaction.atomic():
        protection.remove_from_vault(protected.item(), ORIGIN, protected.now)
    assert not ProtectedItem.objects.exists()


def test_a_busy_item_is_not_removed_from_the_vault(protected: World) -> None:
    begin(protected)
    error = refusal(lambda: protection.remove_from_vault(protected.item(), ORIGIN, protected.now))
    assert error.failure.code == "532"
