"""What follows from an inventory is looked at by every follower, whatever one of them breaks."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest
from django.db import OperationalError

from coordinator.fabrics.models import Fabric
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.models import OutboxMessage
from coordinator.protection.inventory_followers import (
    FOLLOW_TASK,
    FOLLOWERS,
    follow_inventory,
    inventory_changed,
)
from tests.integration.protection.world import World


@pytest.mark.django_db
def test_one_that_breaks_undoes_its_own_work_only(world: World) -> None:
    fabric = Fabric.objects.all()[0]
    seen: list[str] = []

    def breaks(looked_at: Fabric, now: datetime) -> None:
        inventory_changed(looked_at.id, now)
        raise ValueError(looked_at.name)

    def looks(looked_at: Fabric, _now: datetime) -> None:
        seen.append(looked_at.name)

    follow_inventory(world.now, str(fabric.id), {"breaks": breaks, "looks": looks})
    assert seen == [fabric.name]
    assert not OutboxMessage.objects.filter(task=FOLLOW_TASK).exists()


@pytest.mark.django_db
@pytest.mark.spec("DI-2")
def test_what_one_did_not_follow_is_shown_to_it_again_with_the_next_change(world: World) -> None:
    fabric = Fabric.objects.all()[0]
    shown: list[int] = []
    broken = [True, False]

    def breaks_once(looked_at: Fabric, _now: datetime) -> None:
        shown.append(looked_at.followed_revision)
        if broken.pop(0):
            raise ValueError(looked_at.name)

    followers = {**FOLLOWERS, "breaks once": breaks_once}
    for revision in (7, 8):
        Fabric.objects.filter(pk=fabric.pk).update(inventory_revision=revision)
        follow_inventory(world.now, str(fabric.id), followers)
    assert shown == [fabric.followed_revision] * 2
    fabric.refresh_from_db()
    assert fabric.followed_revision == 8


@pytest.mark.django_db
def test_what_the_database_broke_off_is_done_again(world: World) -> None:
    fabric = Fabric.objects.all()[0]

    def breaks(looked_at: Fabric, _now: datetime) -> None:
        raise OperationalError(looked_at.name)

    inventory_changed(fabric.id, world.now)
    message = OutboxMessage.objects.get(task=FOLLOW_TASK)
    follow = partial(follow_inventory, followers={"breaks": breaks})
    carry_out(message.pk, {FOLLOW_TASK: follow}, world.clock)
    assert OutboxMessage.objects.get(task=FOLLOW_TASK).failures == 1


@pytest.mark.django_db
def test_a_fabric_that_is_gone_is_nothing_to_follow(world: World) -> None:
    fabric = Fabric.objects.all()[0]
    seen: list[str] = []

    def looks(looked_at: Fabric, _now: datetime) -> None:
        seen.append(looked_at.name)

    inventory_changed(fabric.id, world.now)
    message = OutboxMessage.objects.get(task=FOLLOW_TASK)
    assert message.arguments == [str(fabric.id)]
    follow_inventory(world.now, str(fabric.id), {"looks": looks})
    assert seen == [fabric.name]
    follow_inventory(world.now, "00000000-0000-0000-0000-000000000000", {"looks": looks})
    assert seen == [fabric.name]
