"""Whose copy may run after each operation: failover and its cancellation decide, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.jobs.models import Job
from coordinator.protection.models import MachineRole
from coordinator.protection.queries import roles_of
from coordinator.protection.roles.rules import Role
from coordinator.protection.services import disable_protection, ingest_replication
from coordinator.protection.states import ProtectionState
from coordinator.recovery.options import ChangePointOptions, RecoveryTag
from coordinator.recovery.test_failover.options import DrillOptions
from coordinator.recovery.test_failover.services import begin_test_failover, clean_up_test_failover
from tests.integration.protection.failover_stage import (
    WITH_SOURCE,
    cancel,
    change_point,
    commit,
    fail_over,
    lose,
    planned,
    ready,
    reverse,
    run,
)
from tests.integration.protection.test_roles import come_back
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("FO-7")]

HERE, LEFT_PREPARED = (Role.ACTIVE, Role.REPLICA), (Role.REPLICA, Role.ACTIVE)
LEFT = (Role.HELD, Role.ACTIVE)
Stand = tuple[tuple[Role, Role], int]


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


def stand(world: World) -> Stand:
    """The roles of both copies, and the epoch, which is told to both sides alike."""
    fabrics = [world.fabric(name) for name in ("vmm-shanghai", "vmm-beijing")]
    told = roles_of([fabric.id for fabric in fabrics])
    (primary,), (recovery,) = (told[fabric.id] for fabric in fabrics)
    assert primary.epoch == recovery.epoch == world.item().role_epoch
    return (primary.role, recovery.role), primary.epoch


def well(world: World, operation: Callable[[World], Job], expected: Stand) -> None:
    job = operation(world)
    assert job.state == "Succeeded", job.errors
    assert stand(world) == expected


def drill(world: World) -> Job:
    return run(world, lambda: begin_test_failover(world.item(), DrillOptions(), ORIGIN, world.now))


def clean_up(world: World) -> Job:
    return run(world, lambda: clean_up_test_failover(world.item(), "", ORIGIN, world.now))


def disable(world: World) -> Job:
    return run(world, lambda: disable_protection(world.item(), ORIGIN, world.now))


def replicate(world: World) -> None:
    """The comparison after a reversal is done."""
    world.report()
    world.turn()
    assert world.item().state == ProtectionState.PROTECTED


def test_planned_there_and_back_raises_it_twice(protected: World) -> None:
    assert stand(protected) == (HERE, 1)
    well(protected, planned, (LEFT_PREPARED, 2))
    well(protected, commit, (LEFT_PREPARED, 2))
    well(protected, reverse, (LEFT_PREPARED, 2))
    well(protected, planned, (HERE, 3))
    well(protected, commit, (HERE, 3))
    well(protected, reverse, (HERE, 3))


def test_what_an_unplanned_failover_left_is_held_until_it_is_reversed(protected: World) -> None:
    lose(protected)
    well(protected, fail_over, (LEFT, 2))
    come_back(protected)
    well(protected, commit, (LEFT, 2))
    well(protected, reverse, (LEFT_PREPARED, 2))


def test_a_source_that_was_shut_down_for_it_is_held_as_well(protected: World) -> None:
    well(protected, lambda world: fail_over(world, WITH_SOURCE), (LEFT, 2))
    well(protected, cancel, (HERE, 3))


def test_a_cancelled_planned_failover_raises_it_twice(protected: World) -> None:
    well(protected, planned, (LEFT_PREPARED, 2))
    well(protected, cancel, (HERE, 3))


def test_another_recovery_point_leaves_changes_behind_and_the_epoch_as_it_is(
    protected: World,
) -> None:
    well(protected, planned, (LEFT_PREPARED, 2))
    options = ChangePointOptions(recovery_tag=RecoveryTag.LATEST_CRASH_CONSISTENT)
    well(protected, lambda world: change_point(world, options), (LEFT, 2))


def test_a_test_failover_changes_nothing(protected: World) -> None:
    well(protected, drill, (HERE, 1))
    well(protected, clean_up, (HERE, 1))


def test_what_is_protected_no_more_has_no_role_so_that_agents_give_back_what_they_set(
    protected: World,
) -> None:
    item = protected.item()
    state = protected.hyperv.report(item.vm_id, item.primary_host, protected.now, 0)
    state.automatic_start_action = "Start"
    state.host_booted_at.FromDatetime(protected.now - timedelta(days=1))
    protected.pass_(5)
    shanghai = protected.fabric("vmm-shanghai").id
    with transaction.atomic():
        ingest_replication(shanghai, [state], protected.now, protected.now)
    [told] = roles_of([shanghai])[shanghai]
    assert told.start_action == "Start"
    assert disable(protected).state == "Succeeded"
    assert roles_of([shanghai]) == {shanghai: []}
    assert not MachineRole.objects.exists()


def test_whatever_becomes_of_an_operation_it_is_never_lowered(protected: World) -> None:
    seen = [stand(protected)[1]]
    for operation in (fail_over, cancel, planned, cancel, drill, clean_up, fail_over, commit):
        operation(protected)
        seen.append(stand(protected)[1])
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
