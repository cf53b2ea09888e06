"""The site that a machine was failed over to is lost too: it goes on where it came from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job
from coordinator.jobs.services import restart_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import roles_of
from coordinator.protection.roles.rules import Role
from coordinator.protection.services import disable_protection, remove_from_vault
from coordinator.protection.states import ProtectionState
from coordinator.recovery.options import ChangePointOptions
from coordinator.recovery.steps import RESTARTERS
from tests.integration.protection.failover_stage import (
    ALONE,
    abandon,
    cancel,
    change_point,
    commit,
    copies,
    fail_over,
    lose,
    planned,
    ready,
    run,
)
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("FO-4", "FO-7")]

RECOVERY = "vmm-beijing"
LOST_AFTER = {
    "planned": planned,
    "unplanned": lambda world: fail_over(world, ALONE),
}


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


def roles(world: World) -> tuple[Role, Role]:
    """Of the copies at the primary and the recovery site."""
    sites = [world.fabric(name).id for name in ("vmm-shanghai", RECOVERY)]
    told = roles_of(sites)
    primary, recovery = ([copy.role for copy in told[site]] for site in sites)
    return primary[0], recovery[0]


def lose_recovery_site(world: World) -> None:
    """With its power everything on its hosts stops."""
    lose(world, RECOVERY)
    copies(world)[1].vm_state = "Off"


def bring_back(world: World, site: str = RECOVERY) -> None:
    Provider.objects.filter(name=site).update(disconnected_at=None, last_heartbeat_at=world.now)
    (world.shanghai if site == "vmm-shanghai" else world.beijing).lost = False


def to_another_point(world: World) -> Job:
    return change_point(world, ChangePointOptions())


def hear_of_all(world: World) -> None:
    """Time has passed, and whoever is there was heard of."""
    Provider.objects.filter(vault=world.vault, disconnected_at=None).update(
        last_heartbeat_at=world.now
    )


@pytest.mark.parametrize("begin", LOST_AFTER.values(), ids=LOST_AFTER)
def test_the_machine_runs_where_it_came_from_and_the_copy_left_behind_is_held(
    protected: World, begin: Callable[[World], Job]
) -> None:
    begin(protected)
    lose_recovery_site(protected)
    sent = len(protected.beijing.received)
    job = abandon(protected)
    assert (job.state, job.state_description) == ("Succeeded", "Completed")
    assert "runs on the primary side again" in job.left_text
    assert len(protected.beijing.received) == sent
    item, (source, copy) = protected.item(), copies(protected)
    assert (item.state, item.active_location, item.role_epoch) == (
        "FailoverAbandoned",
        "Primary",
        3,
    )
    assert (source.vm_state, copy.vm_state) == ("Running", "Off")
    assert roles(protected) == (Role.ACTIVE, Role.HELD)


def test_cancelling_makes_the_copy_a_replica_again_once_its_site_is_back(protected: World) -> None:
    fail_over(protected)
    lose_recovery_site(protected)
    abandon(protected)
    failed = cancel(protected)
    assert failed.state == JobState.FAILED or failed.finished_at is None
    while failed.finished_at is None:
        protected.pass_(60)
        hear_of_all(protected)
        protected.turn()
        failed.refresh_from_db()
    assert "as before" in failed.left_text
    assert protected.item().state == ProtectionState.FAILOVER_ABANDONED
    assert roles(protected) == (Role.ACTIVE, Role.HELD)

    bring_back(protected)
    hear_of_all(protected)
    assert cancel(protected).state == JobState.SUCCEEDED
    source, copy = copies(protected)
    assert protected.item().state == ProtectionState.PROTECTED
    assert (source.mode, source.vm_state) == ("Primary", "Running")
    assert (copy.mode, copy.state, copy.vm_state) == ("Replica", "Replicating", "Off")
    assert roles(protected) == (Role.ACTIVE, Role.REPLICA)


def test_the_source_lost_again_the_copy_is_failed_over_once_more(protected: World) -> None:
    fail_over(protected)
    lose_recovery_site(protected)
    abandon(protected)
    bring_back(protected)
    lose(protected)
    copies(protected)[0].vm_state = "Off"
    assert fail_over(protected).state == JobState.SUCCEEDED
    item = protected.item()
    assert (item.state, item.active_location) == (
        "UnplannedFailoverCommitPendingStatesBegin",
        "Recovery",
    )
    assert copies(protected)[1].vm_state == "Running"
    assert roles(protected) == (Role.HELD, Role.ACTIVE)


def test_a_copy_that_answers_is_turned_off_first(protected: World) -> None:
    planned(protected)
    assert abandon(protected).state == JobState.SUCCEEDED
    source, copy = copies(protected)
    assert (source.vm_state, copy.vm_state) == ("Running", "Off")
    effects, item = protected.hyperv.effects, protected.item()
    off = effects.index(f"vm.off {item.recovery_host}")
    assert off < len(effects) - 1 - effects[::-1].index(f"vm.running {item.primary_host}")


def test_a_copy_that_is_seen_running_and_cannot_be_turned_off_stops_it(protected: World) -> None:
    fail_over(protected)
    protected.hyperv.broken["stop_virtual_machine"] = broken()
    job = abandon(protected)
    assert job.state == JobState.FAILED
    assert [error["code"] for error in job.errors][-1] == "FailedOverCopyStillRunning"
    assert "failed over as before" in job.left_text
    item, (source, copy) = protected.item(), copies(protected)
    assert item.state == ProtectionState.UNPLANNED_COMMIT_PENDING
    assert item.active_location == "Recovery"
    assert (source.vm_state, copy.vm_state) == ("Off", "Running")
    protected.hyperv.broken.clear()
    assert abandon(protected).state == JobState.SUCCEEDED


@pytest.mark.spec("FO-6", "RE-7")
def test_protection_is_disabled_once_the_failover_is_cancelled_or_in_the_vault_alone(
    protected: World,
) -> None:
    """Hyper-V removes no replication of a copy that is failed over."""
    fail_over(protected)
    lose_recovery_site(protected)
    abandon(protected)
    error = refusal(lambda: disable_protection(protected.item(), ORIGIN, protected.now))
    assert error.failure.code == "OperationNotAllowed"
    assert "Cancel the failover first" in error.failure.recommended_action
    vm_id, copy = protected.item().vm_id, copies(protected)[1]
    job = run(protected, lambda: remove_from_vault(protected.item(), ORIGIN, protected.now))
    assert job.state == JobState.SUCCEEDED
    assert not ProtectedItem.objects.filter(vm_id=vm_id).exists()
    assert copy in protected.hyperv.copies.values()


def test_without_the_source_there_is_nothing_to_go_back_to(protected: World) -> None:
    lose(protected)
    fail_over(protected)
    error = refusal(lambda: abandon(protected))
    assert (error.failure.code, error.status) == ("SourceNotConnected", 409)
    assert protected.item().state == ProtectionState.UNPLANNED_COMMIT_PENDING


def test_a_committed_failover_is_not_abandoned(protected: World) -> None:
    fail_over(protected)
    commit(protected)
    error = refusal(lambda: abandon(protected))
    assert error.failure.code == "OperationNotAllowed"
    assert "osr-agent copy release" in error.failure.recommended_action


@pytest.mark.spec("JB-2")
@pytest.mark.parametrize("begin", [cancel, to_another_point])
def test_what_was_begun_before_is_not_restarted_afterwards(
    protected: World, begin: Callable[[World], Job]
) -> None:
    fail_over(protected)
    protected.hyperv.broken["cancel_failover"] = broken()
    job = begin(protected)
    assert job.state == JobState.FAILED
    protected.hyperv.broken.clear()
    protected.pass_(1)
    hear_of_all(protected)
    assert abandon(protected).state == JobState.SUCCEEDED
    with transaction.atomic():
        error = refusal(lambda: restart_job(job.id, "tests", protected.now, RESTARTERS))
    assert error.failure.code == "RestartNotPossible"
    assert protected.item().state == ProtectionState.FAILOVER_ABANDONED
