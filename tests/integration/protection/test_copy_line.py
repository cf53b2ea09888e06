"""First copies in line: the limit of hosts, turns, times of day, and places given back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.conf import settings as configured
from django.db import IntegrityError, connections, transaction
from pytest_django import Settings

from coordinator.fabrics.models import VirtualMachine
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import find_job
from coordinator.jobs.registry import Registry
from coordinator.jobs.states import JobState
from coordinator.protection import services
from coordinator.protection.copy_line import line, watching
from coordinator.protection.models import FirstCopy, ProtectedItem
from coordinator.protection.policies.services import create_policy
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import ProtectionState
from tests.integration.protection.world import (
    ORIGIN,
    POLICY_INPUT,
    World,
    add_machine,
    make_world,
)

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RE-1")]

HV1 = "goldcloud1-hv1.shanghai.contoso.com"
HV2 = "goldcloud1-hv2.shanghai.contoso.com"
READY, COPYING = ProtectionState.READY_TO_COPY, ProtectionState.INITIAL_REPLICATION


@pytest.fixture
def paired(world: World, settings: Settings) -> World:
    """Two machines copy at once from a host."""
    settings.CONFIGURATION = replace(
        configured.CONFIGURATION, first_copies_per_source_host=2, first_copies_per_recovery_host=9
    )
    world.pair()
    world.turn()
    return world


def enable(world: World, *names: str, host: str = HV1, batch: str = "") -> list[Job]:
    jobs = []
    for name in names:
        if not VirtualMachine.objects.filter(vault=world.vault, name=name).exists():
            add_machine(world, name, "GoldCloud1", host)
        jobs.append(world.enable(name, batch=batch)[1])
        world.turn()
    return jobs


def states(world: World) -> dict[str, str]:
    items = ProtectedItem.objects.filter(vault=world.vault)
    return dict(items.values_list("friendly_name", "state"))


def copying(world: World) -> set[str]:
    return {name for name, state in states(world).items() if state == COPYING}


def item(name: str) -> ProtectedItem:
    return ProtectedItem.objects.get(friendly_name=name)


def report(world: World, name: str, *, after_seconds: float = 1) -> None:
    """The primary's provider tells what its host shows of a machine."""
    world.pass_(after_seconds)
    found = item(name)
    state = world.hyperv.report(found.vm_id, found.primary_host, world.now)
    with transaction.atomic():
        services.ingest_replication(world.fabric("vmm-shanghai").id, [state], world.now, world.now)
    world.turn()


def finish(world: World, name: str) -> None:
    world.hyperv.copies[item(name).primary_host, item(name).vm_id].state = "Replicating"
    report(world, name)


def watch(world: World) -> None:
    with transaction.atomic():
        watching.watch_first_copies(world.now)
    world.turn()


def told(job: Job) -> str:
    view = find_job(job.vault_id, job.id)
    assert view is not None
    return next(task for task in view.tasks if task.name == "VmStartInitialReplication").activity


def test_as_many_first_copies_run_as_a_host_sends_at_once(paired: World) -> None:
    jobs = enable(paired, "GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4")
    enable(paired, "OtherVM", host=HV2)
    assert copying(paired) == {"GoldVM1", "GoldVM2", "OtherVM"}
    assert states(paired)["GoldVM3"] == READY
    assert paired.hyperv.effects.count(f"copy.started {HV1}") == 2
    waiting = Job.objects.get(id=jobs[2].id)
    assert (waiting.state, waiting.errors) == (JobState.IN_PROGRESS, [])
    # What has been asked for is asked for: nothing looks every few seconds. (The first look may be
    # one that a command before had asked for.)
    assert waiting.wake_at is not None
    assert waiting.wake_at > paired.now + timedelta(minutes=1)


def test_a_waiting_item_and_its_job_say_whom_they_wait_for(paired: World) -> None:
    jobs = enable(paired, "GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4")
    watch(paired)
    expected = "2nd in line for goldcloud1-hv1, which sends 2 first copies"
    assert told(jobs[3]) == expected
    assert FirstCopy.objects.get(item=item("GoldVM4")).waits_for == expected


def test_the_end_of_a_copy_gives_its_place_to_the_next(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4")
    finish(paired, "GoldVM2")
    assert copying(paired) == {"GoldVM1", "GoldVM2", "GoldVM3"}
    finish(paired, "GoldVM1")
    assert copying(paired) == {"GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4"}
    assert paired.hyperv.effects.count(f"copy.started {HV1}") == 4


def test_a_large_request_does_not_hold_up_a_small_one(paired: World) -> None:
    enable(paired, *(f"Many{number}" for number in range(5)), batch="large")
    enable(paired, "One", batch="small")
    finish(paired, "Many0")
    finish(paired, "Many1")
    assert copying(paired) >= {"Many2", "One"}
    assert {states(paired)[name] for name in ("Many3", "Many4")} == {READY}


def test_a_copy_that_has_failed_gives_its_place_back_and_a_paused_one_keeps_it(
    paired: World,
) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4")
    paired.hyperv.copies[HV1, item("GoldVM1").vm_id].state = "Suspended"
    report(paired, "GoldVM1", after_seconds=60)
    assert states(paired)["GoldVM3"] == READY
    paired.hyperv.copies[HV1, item("GoldVM2").vm_id].state = "Error"
    report(paired, "GoldVM2", after_seconds=60)
    assert states(paired)["GoldVM3"] == COPYING
    assert states(paired)["GoldVM4"] == READY


def test_a_report_from_before_the_copy_began_ends_nothing(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3")
    paired.hyperv.copies[HV1, item("GoldVM1").vm_id].state = "ReadyForInitialReplication"
    report(paired, "GoldVM1")
    assert states(paired)["GoldVM3"] == READY
    # Somebody has stopped it indeed.
    report(paired, "GoldVM1", after_seconds=40)
    watch(paired)
    assert states(paired)["GoldVM3"] == COPYING


def test_a_machine_that_vanishes_gives_its_place_back(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3")
    VirtualMachine.objects.filter(name="GoldVM1").update(gone_at=paired.now)
    watch(paired)
    assert states(paired)["GoldVM3"] == COPYING


def test_an_item_that_is_forgotten_gives_its_place_back(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4")
    with transaction.atomic():
        services.remove_from_vault(item("GoldVM1"), ORIGIN, paired.now)
    paired.turn()
    with transaction.atomic():
        services.disable_protection(item("GoldVM2"), ORIGIN, paired.now)
    paired.turn()
    assert states(paired) == {"GoldVM3": COPYING, "GoldVM4": COPYING}


def test_the_copy_begins_on_the_host_that_has_the_machine_by_then(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3")
    found = item("GoldVM3")
    paired.hyperv.copies[HV2, found.vm_id] = paired.hyperv.copies.pop((HV1, found.vm_id))
    ProtectedItem.objects.filter(id=found.id).update(primary_host=HV2)
    finish(paired, "GoldVM1")
    assert paired.hyperv.effects[-1] == f"copy.started {HV2}"


def test_a_turn_that_nobody_heard_of_is_found(paired: World) -> None:
    [*_, job] = enable(paired, "GoldVM1", "GoldVM2", "GoldVM3")
    FirstCopy.objects.filter(item=item("GoldVM1")).update(ended_at=paired.now)
    assert states(paired)["GoldVM3"] == READY
    watch(paired)
    assert states(paired)["GoldVM3"] == COPYING
    assert Job.objects.get(id=job.id).state == JobState.SUCCEEDED


def test_an_item_forgotten_while_it_waits_is_in_no_line(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3")
    with transaction.atomic():
        services.remove_from_vault(item("GoldVM3"), ORIGIN, paired.now)
    assert not FirstCopy.objects.filter(granted_at=None, ended_at=None).exists()


# ---- a time of day -------------------------------------------------------------------------------


@pytest.fixture
def nightly(world: World, settings: Settings) -> World:
    """Its policy begins first copies at 22:00 UTC; it is 03:04 in the morning."""
    settings.CONFIGURATION = replace(configured.CONFIGURATION, first_copies_per_source_host=2)
    with transaction.atomic():
        create_policy(
            world.vault,
            "Gold",
            {**POLICY_INPUT, "onlineReplicationStartTime": "22:00:00"},
            world.now,
        )
    world.pair()
    world.turn()
    return world


def ten_at_night(world: World) -> datetime:
    return world.now.replace(hour=22, minute=0, second=0, microsecond=0)


def test_a_first_copy_waits_for_its_time_of_day_and_says_so(nightly: World) -> None:
    [job] = enable(nightly, "GoldVM1")
    assert states(nightly) == {"GoldVM1": READY}
    assert told(job) == "First copy begins at 2026-01-02 22:00:00 UTC"
    assert Job.objects.get(id=job.id).state == JobState.IN_PROGRESS
    nightly.now = ten_at_night(nightly) - timedelta(seconds=5)
    watch(nightly)
    assert states(nightly) == {"GoldVM1": READY}
    nightly.pass_(10)
    watch(nightly)
    assert states(nightly) == {"GoldVM1": COPYING}
    # The host is not told a time: the coordinator's clock decided.
    started = nightly.shanghai.received[-1].start_initial_replication
    assert not started.HasField("start_time")


def test_the_limit_holds_when_all_of_them_begin_at_the_same_time(nightly: World) -> None:
    enable(nightly, *(f"VM{number}" for number in range(5)))
    assert set(states(nightly).values()) == {READY}
    nightly.now = ten_at_night(nightly) + timedelta(seconds=1)
    watch(nightly)
    assert len(copying(nightly)) == 2


def test_a_first_copy_can_be_begun_before_its_time(nightly: World) -> None:
    enable(nightly, "GoldVM1", "GoldVM2")
    with transaction.atomic():
        services.start_now(item("GoldVM2"), nightly.now)
    nightly.turn()
    assert states(nightly) == {"GoldVM1": READY, "GoldVM2": COPYING}
    with pytest.raises(RefusedError) as refused, transaction.atomic():
        services.start_now(item("GoldVM2"), nightly.now)
    assert refused.value.failure.code == "OperationNotAllowed"


@pytest.mark.spec("RE-7")
@pytest.mark.parametrize("how", [services.disable_protection, services.remove_from_vault])
def test_protection_can_be_disabled_while_the_first_copy_waits_for_its_time(
    nightly: World, how: object
) -> None:
    [job] = enable(nightly, "GoldVM1")
    with transaction.atomic():
        how(item("GoldVM1"), ORIGIN, nightly.now)  # type: ignore[operator]  # both are called alike
    nightly.turn()
    assert states(nightly) == {}
    assert Job.objects.get(id=job.id).state == JobState.CANCELLED
    assert not OperationLock.objects.exists()
    nightly.now = ten_at_night(nightly) + timedelta(hours=1)
    watch(nightly)
    assert not any(effect.startswith("copy.started") for effect in nightly.hyperv.effects)


@pytest.mark.spec("RE-7")
def test_protection_can_be_disabled_while_the_first_copy_waits_for_its_turn(
    paired: World,
) -> None:
    jobs = enable(paired, "GoldVM1", "GoldVM2", "GoldVM3", "GoldVM4")
    with transaction.atomic():
        services.disable_protection(item("GoldVM3"), ORIGIN, paired.now)
    paired.turn()
    assert "GoldVM3" not in states(paired)
    assert Job.objects.get(id=jobs[2].id).state == JobState.CANCELLED
    finish(paired, "GoldVM1")
    assert states(paired)["GoldVM4"] == COPYING


def test_disabling_again_finds_its_job(nightly: World) -> None:
    enable(nightly, "GoldVM1")
    origin = RequestOrigin(started_by="tests", client_request_id="request-1")
    found = item("GoldVM1")
    with transaction.atomic():
        first = services.disable_protection(found, origin, nightly.now)
    with transaction.atomic():
        again = services.disable_protection(found, origin, nightly.now)
    assert again.id == first.id


# ---- workers at the same time --------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_no_two_workers_give_the_same_place(registry: Registry, settings: Settings) -> None:
    settings.CONFIGURATION = replace(configured.CONFIGURATION, first_copies_per_source_host=2)
    world = make_world(registry)
    world.pair()
    world.turn()
    names = [f"VM{number}" for number in range(8)]
    enable(world, *names)
    # As if none had had its turn: four workers decide at once.
    FirstCopy.objects.update(granted_at=None, begun_at=None, source_place=None, recovery_place=None)
    together = Barrier(4)

    def decide() -> None:
        together.wait()
        with transaction.atomic():
            line.grant(world.now, str(world.vault.id))
        connections.close_all()

    threads = [Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = FirstCopy.objects.filter(granted_at__isnull=False)
    assert sorted(running.values_list("source_place")) == [(0,), (1,)]


def test_the_database_refuses_to_give_a_place_twice(paired: World) -> None:
    enable(paired, "GoldVM1", "GoldVM2", "GoldVM3")
    third = FirstCopy.objects.get(item=item("GoldVM3"))
    third.granted_at, third.source_place, third.recovery_place = paired.now, 1, 7
    with pytest.raises(IntegrityError), transaction.atomic():
        third.save()
