"""Roles on PostgreSQL: told to agents, held copies, machines started after their host went down."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import role_pb2

from coordinator.events.models import Event
from coordinator.events.queries import EventFilters, events_of
from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job
from coordinator.protection.models import MachineRole
from coordinator.protection.queries import RoleOfCopy, roles_of
from coordinator.protection.roles.having_run import note_started
from coordinator.protection.roles.rules import Role
from coordinator.protection.roles.servers import watch_servers
from coordinator.protection.roles.starting import (
    SCENARIO,
    not_started_key,
    start_machines,
)
from coordinator.protection.services import disable_protection, ingest_replication, ingest_roles
from tests.integration.protection.failover_stage import (
    abandon,
    cancel,
    copies,
    fail_over,
    lose,
    planned,
    ready,
    reverse,
)
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("FO-7")]


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


def role_at(world: World, site: str) -> RoleOfCopy:
    fabric = world.fabric(site)
    [role] = roles_of([fabric.id])[fabric.id]
    return role


def roles(world: World) -> tuple[Role, Role]:
    return role_at(world, "vmm-shanghai").role, role_at(world, "vmm-beijing").role


def open_events(world: World) -> list[Event]:
    return list(events_of(world.vault.id, EventFilters(only_open=True)))


def codes(world: World) -> list[str]:
    return [event.code for event in open_events(world)]


def come_back(world: World, site: str = "vmm-shanghai") -> None:
    Provider.objects.filter(name=site).update(disconnected_at=None, last_heartbeat_at=world.now)
    (world.shanghai if site == "vmm-shanghai" else world.beijing).lost = False


def tell_held(
    world: World,
    *,
    site: str = "vmm-shanghai",
    held: bool = True,
    epoch: int | None = None,
    trouble: str = "",
) -> None:
    item = world.item()
    copy = role_pb2.HeldCopy(
        item_id=str(item.id),
        location="Primary" if site == "vmm-shanghai" else "Recovery",
        epoch=item.role_epoch if epoch is None else epoch,
        held=held,
        trouble=trouble,
        adapters=[role_pb2.HeldAdapter(adapter_id="A", name="Network Adapter", switch_name="net")],
    )
    with transaction.atomic():
        ingest_roles(world.fabric(site).id, [copy], world.now)


def tell_nothing_held(world: World) -> None:
    with transaction.atomic():
        ingest_roles(world.fabric("vmm-shanghai").id, [], world.now)


def look(
    world: World, vm_state: str, booted: datetime | None, action: str = "StartIfRunning"
) -> None:
    """The active host tells how the machine stands and when it started itself."""
    item = world.item()
    world.pass_(5)
    state = world.hyperv.report(item.vm_id, item.primary_host, world.now, 0)
    state.vm_state = vm_state
    state.automatic_start_action = action
    if booted is not None:
        state.host_booted_at.FromDatetime(booted)
    with transaction.atomic():
        ingest_replication(world.fabric("vmm-shanghai").id, [state], world.now, world.now)


def started(world: World) -> list[Job]:
    return list(Job.objects.filter(scenario=SCENARIO).order_by("created_at"))


def test_roles_follow_the_machine_through_failover_and_back(protected: World) -> None:
    assert roles(protected) == (Role.ACTIVE, Role.REPLICA)
    lose(protected)
    fail_over(protected)
    assert roles(protected) == (Role.HELD, Role.ACTIVE)
    assert role_at(protected, "vmm-shanghai").epoch == 2
    come_back(protected)
    cancel(protected)
    assert roles(protected) == (Role.ACTIVE, Role.REPLICA)
    assert role_at(protected, "vmm-beijing").epoch == 3


def test_while_a_failover_is_undecided_no_copy_may_run(protected: World) -> None:
    lose(protected)
    protected.hyperv.broken["start_failover"] = broken()
    fail_over(protected)
    assert roles(protected) == (Role.UNDECIDED, Role.REPLICA)


def test_a_held_copy_is_told_of_once_with_the_choice(protected: World) -> None:
    lose(protected)
    fail_over(protected)
    come_back(protected)
    tell_held(protected)
    tell_held(protected)
    [event] = [event for event in open_events(protected) if event.code == "OldPrimaryHeld"]
    assert event.severity == "Warning"
    assert "reverse replicate" in event.failure["recommendedAction"]
    assert "cancel the failover" in event.failure["recommendedAction"]
    assert event.failure["possibleCauses"]
    held = role_at(protected, "vmm-shanghai").held_adapters
    assert [(adapter.adapter_id, adapter.switch_name) for adapter in held] == [("A", "net")]
    assert role_at(protected, "vmm-beijing").held_adapters == ()


def test_a_copy_of_an_abandoned_failover_is_told_of_with_its_choice(protected: World) -> None:
    fail_over(protected)
    lose(protected, "vmm-beijing")
    abandon(protected)
    come_back(protected, "vmm-beijing")
    tell_held(protected, site="vmm-beijing")
    [event] = [event for event in open_events(protected) if event.code == "OldPrimaryHeld"]
    assert "cancel the failover" in event.failure["recommendedAction"]
    assert "reverse replicate" not in event.failure["recommendedAction"]
    assert "abandoned" in event.failure["possibleCauses"][0]


def test_a_copy_that_cannot_be_held_is_told_of_until_it_is(protected: World) -> None:
    lose(protected)
    fail_over(protected)
    come_back(protected)
    tell_held(protected, held=False)
    assert "OldPrimaryNotHeld" not in codes(protected)
    tell_held(protected, held=False, trouble="Stop-VM failed.")
    tell_held(protected, held=False, trouble="Stop-VM failed.")
    [event] = [event for event in open_events(protected) if event.code == "OldPrimaryNotHeld"]
    assert event.severity == "Critical"
    assert "Stop-VM failed." in event.failure["message"]
    assert event.failure["possibleCauses"]
    assert event.failure["recommendedAction"]
    tell_held(protected)
    told = [code for code in codes(protected) if code.startswith("OldPrimary")]
    assert told == ["OldPrimaryHeld"]
    tell_held(protected, held=False, trouble="Somebody started it.")
    cancel(protected)
    watch_servers(protected.now)
    assert [code for code in codes(protected) if code.startswith("OldPrimary")] == []


@pytest.mark.parametrize("decision", [reverse, cancel])
def test_what_is_decided_clears_it(protected: World, decision: object) -> None:
    lose(protected)
    fail_over(protected)
    come_back(protected)
    tell_held(protected)
    assert callable(decision)
    decision(protected)
    tell_nothing_held(protected)
    assert "OldPrimaryHeld" not in codes(protected)
    assert role_at(protected, "vmm-shanghai").held_adapters == ()


def test_it_is_cleared_even_if_the_agent_never_says_that_it_let_go(protected: World) -> None:
    lose(protected)
    fail_over(protected)
    come_back(protected)
    tell_held(protected)
    lose(protected)
    cancel(protected)
    watch_servers(protected.now)
    assert "OldPrimaryHeld" not in codes(protected)


def test_an_old_epoch_or_a_side_that_is_not_held_raises_nothing(protected: World) -> None:
    tell_held(protected)
    assert codes(protected) == []
    lose(protected)
    fail_over(protected)
    tell_held(protected, epoch=1)
    tell_held(protected, held=False)
    assert "OldPrimaryHeld" not in codes(protected)


def test_nonsense_about_roles_is_left_out(protected: World) -> None:
    fabric_id = protected.fabric("vmm-shanghai").id
    strange = [
        role_pb2.HeldCopy(item_id="none", location="Primary", held=True),
        role_pb2.HeldCopy(item_id=str(protected.item().id), location="Nowhere", held=True),
        role_pb2.HeldCopy(item_id=str(protected.vault.id), location="Primary", held=True),
    ]
    with transaction.atomic():
        ingest_roles(fabric_id, strange, protected.now)
    assert codes(protected) == []
    assert not MachineRole.objects.exclude(held=None).exists()


def test_the_owners_choice_is_kept_before_hosts_are_told_to_start_nothing(protected: World) -> None:
    assert role_at(protected, "vmm-shanghai").start_action == ""
    booted = protected.now - timedelta(days=1)
    look(protected, "Running", booted, "Start")
    assert role_at(protected, "vmm-shanghai").start_action == "Start"
    assert role_at(protected, "vmm-beijing").start_action == "Start"
    look(protected, "Running", booted, "Nothing")
    assert role_at(protected, "vmm-shanghai").start_action == "Start"


def down_and_back(world: World) -> None:
    """The host of the active side went down under a machine that ran."""
    look(world, "Running", world.now - timedelta(days=1))
    world.pass_(60)
    item = world.item()
    world.hyperv.copies[item.primary_host, item.vm_id].vm_state = "Off"
    look(world, "Off", world.now - timedelta(seconds=5))
    come_back(world)


def test_a_machine_whose_host_went_down_is_started_again(protected: World) -> None:
    down_and_back(protected)
    protected.turn()
    start_machines(protected.now)
    protected.turn()
    [job] = started(protected)
    assert (job.state, job.target_name) == ("Succeeded", protected.item().friendly_name)
    assert copies(protected)[0].vm_state == "Running"
    [command] = [each for each in protected.shanghai.received if each.job_id == str(job.id)]
    assert command.start_virtual_machine.vm.role_epoch == 1
    start_machines(protected.now)
    assert len(started(protected)) == 1


def test_a_machine_that_somebody_turned_off_stays_off(protected: World) -> None:
    booted = protected.now - timedelta(days=1)
    look(protected, "Running", booted)
    look(protected, "Off", booted)
    start_machines(protected.now)
    assert started(protected) == []


def look_there(world: World, vm_state: str, booted: datetime) -> None:
    """The recovery side's host tells how its copy stands and when it started itself."""
    item = world.item()
    state = world.hyperv.report(item.vm_id, item.recovery_host, world.now, 0)
    state.vm_state = vm_state
    if booted is not None:
        state.host_booted_at.FromDatetime(booted)
    with transaction.atomic():
        ingest_replication(world.fabric("vmm-beijing").id, [state], world.now, world.now)


@pytest.mark.spec("JB-3")
def test_a_machine_whose_host_goes_down_before_it_was_looked_at_is_started_again(
    protected: World,
) -> None:
    look_there(protected, "Off", protected.now - timedelta(days=1))
    planned(protected)
    protected.pass_(4)
    booted = protected.now
    protected.pass_(4)
    copies(protected)[1].vm_state = "Off"
    look_there(protected, "Off", booted)
    start_machines(protected.now)
    protected.turn()
    assert [job.state for job in started(protected)] == ["Succeeded"]
    assert copies(protected)[1].vm_state == "Running"
    # And down again, as soon.
    protected.pass_(4)
    copies(protected)[1].vm_state = "Off"
    look_there(protected, "Off", protected.now)
    start_machines(protected.now)
    assert len(started(protected)) == 2


@pytest.mark.spec("JB-3")
def test_a_look_at_the_host_that_is_back_may_come_before_the_job_ends(protected: World) -> None:
    look_there(protected, "Off", protected.now - timedelta(days=1))
    planned(protected)
    at = protected.now
    MachineRole.objects.all().delete()
    protected.pass_(60)
    side = protected.item().side("Recovery")
    assert side is not None
    state = side.wire()
    state.vm_state = "Off"
    state.host_booted_at.FromDatetime(at + timedelta(seconds=20))
    side.observed, side.observed_at = state.SerializeToString(), at + timedelta(seconds=30)
    side.save()
    with transaction.atomic():
        note_started(protected.item().id, at, protected.now)
    come_back(protected, "vmm-beijing")
    start_machines(protected.now)
    assert len(started(protected)) == 1


@pytest.mark.spec("JB-3")
def test_a_machine_that_is_turned_off_after_its_failover_stays_off(protected: World) -> None:
    booted = protected.now - timedelta(seconds=1)
    planned(protected)
    protected.pass_(4)
    look_there(protected, "Off", booted)
    start_machines(protected.now)
    assert started(protected) == []


def test_what_a_host_saved_when_it_was_restarted_in_order_is_started_again(
    protected: World,
) -> None:
    booted = protected.now - timedelta(days=1)
    look(protected, "Running", booted)
    look(protected, "Saved", booted)
    protected.pass_(600)
    item = protected.item()
    protected.hyperv.copies[item.primary_host, item.vm_id].vm_state = "Saved"
    restarted = protected.now
    # Its management service says at first nothing about its start.
    look(protected, "Saved", None)
    start_machines(protected.now)
    assert started(protected) == []
    look(protected, "Saved", restarted)
    come_back(protected)
    start_machines(protected.now)
    protected.turn()
    assert [job.state for job in started(protected)] == ["Succeeded"]
    role = MachineRole.objects.get(item=item)
    assert (role.stopped_at, role.host_booted_at) == (None, None)


def test_what_had_been_off_for_good_when_its_host_restarted_stays_off(protected: World) -> None:
    booted = protected.now - timedelta(days=1)
    look(protected, "Running", booted)
    look(protected, "Off", booted)
    protected.pass_(300)
    look(protected, "Off", booted)
    protected.pass_(300)
    look(protected, "Off", protected.now)
    start_machines(protected.now)
    assert started(protected) == []


def test_nothing_is_started_while_the_provider_is_away_or_another_operation_runs(
    protected: World,
) -> None:
    down_and_back(protected)
    lose(protected)
    start_machines(protected.now)
    assert started(protected) == []
    come_back(protected)
    protected.shanghai.lost = True
    with transaction.atomic():
        disable_protection(protected.item(), ORIGIN, protected.now)
    start_machines(protected.now)
    assert started(protected) == []


def test_a_machine_that_was_failed_over_in_the_meantime_is_not_started_here(
    protected: World,
) -> None:
    down_and_back(protected)
    # Before the job begins.
    Job.objects.filter(scenario=SCENARIO).delete()
    lose(protected)
    fail_over(protected)
    come_back(protected)
    shanghai = len(protected.shanghai.received)
    start_machines(protected.now)
    protected.turn()
    commands = protected.shanghai.received[shanghai:]
    assert [each for each in commands if each.HasField("start_virtual_machine")] == []
    assert copies(protected)[0].vm_state == "Off"


def test_a_failover_ends_a_start_that_waits_for_a_site_that_died_again(protected: World) -> None:
    down_and_back(protected)
    start_machines(protected.now)
    assert [job.state for job in started(protected)] == ["NotStarted"]
    lose(protected)
    job = fail_over(protected)
    assert job.state == "Succeeded"
    assert [job.state for job in started(protected)] == ["Cancelled"]


def test_a_start_that_fails_is_told_and_tried_again(protected: World) -> None:
    down_and_back(protected)
    protected.hyperv.broken["start_virtual_machine"] = broken()
    start_machines(protected.now)
    for _ in range(12):
        protected.turn()
        protected.pass_(60)
        come_back(protected)
    [job] = started(protected)[:1]
    assert job.state == "Failed"
    assert "VirtualMachineNotStarted" in codes(protected)
    del protected.hyperv.broken["start_virtual_machine"]
    protected.pass_(900)
    come_back(protected)
    start_machines(protected.now)
    protected.turn()
    assert copies(protected)[0].vm_state == "Running"
    assert "VirtualMachineNotStarted" not in codes(protected)
    key = not_started_key(protected.item().id)
    assert Event.objects.filter(key=key).count() == 1


@pytest.mark.spec("EV-1", "EN-10")
def test_a_lost_server_is_told_of_after_half_a_minute_and_cleared_when_it_is_back(
    protected: World,
) -> None:
    watch_servers(protected.now)
    assert codes(protected) == []
    Provider.objects.filter(name="vmm-shanghai").update(
        disconnected_at=protected.now, last_heartbeat_at=protected.now
    )
    protected.pass_(30)
    Provider.objects.filter(name="vmm-beijing").update(last_heartbeat_at=protected.now)
    watch_servers(protected.now)
    assert codes(protected) == []
    protected.pass_(1)
    watch_servers(protected.now)
    watch_servers(protected.now)
    [event] = open_events(protected)
    assert (event.code, event.affected_name, event.type) == (
        "25018",
        "vmm-shanghai",
        "ServerHealth",
    )
    come_back(protected)
    watch_servers(protected.now)
    assert codes(protected) == []


@pytest.mark.spec("EV-1")
def test_a_failover_that_failed_is_an_event(protected: World) -> None:
    lose(protected)
    protected.hyperv.broken["start_failover"] = broken()
    job = fail_over(protected)
    [event] = [event for event in open_events(protected) if event.type == "JobStatus"]
    assert event.key == f"job:{job.id}"
    assert event.affected_id == job.target_id
    assert event.failure["recommendedAction"]
