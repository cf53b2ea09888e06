"""Failovers of the world's machine, begun and run to their ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job, OperationLock
from coordinator.recovery import services as recovery
from coordinator.recovery.options import ChangePointOptions, UnplannedFailoverOptions
from tests.integration.protection.fake_hyperv import Copy
from tests.integration.protection.world import ORIGIN, World

ALONE = UnplannedFailoverOptions()
WITH_SOURCE = UnplannedFailoverOptions(source_site_operations=True)


def ready(world: World) -> World:
    """A protected machine with recovery points, both providers connected."""
    world.protect()
    world.report(points=4)
    Provider.objects.filter(vault=world.vault).update(last_heartbeat_at=world.now)
    return world


def lose(world: World, site: str = "vmm-shanghai") -> None:
    """The site's server and hosts are gone."""
    Provider.objects.filter(name=site).update(
        disconnected_at=world.now, last_heartbeat_at=world.now - timedelta(hours=1)
    )
    (world.shanghai if site == "vmm-shanghai" else world.beijing).lost = True


def run(world: World, begin: Callable[[], Job]) -> Job:
    with transaction.atomic():
        job = begin()
    world.turn()
    job.refresh_from_db()
    assert job.finished_at is None or not OperationLock.objects.filter(job=job).exists()
    return job


def fail_over(world: World, options: UnplannedFailoverOptions = ALONE) -> Job:
    return run(world, lambda: recovery.unplanned_failover(world.item(), options, ORIGIN, world.now))


def change_point(world: World, options: ChangePointOptions) -> Job:
    return run(
        world, lambda: recovery.change_recovery_point(world.item(), options, ORIGIN, world.now)
    )


def cancel(world: World) -> Job:
    return run(world, lambda: recovery.cancel_failover(world.item(), ORIGIN, world.now))


def abandon(world: World) -> Job:
    return run(world, lambda: recovery.abandon_failover(world.item(), ORIGIN, world.now))


def commit(world: World) -> Job:
    return run(world, lambda: recovery.commit_failover(world.item(), ORIGIN, world.now))


def reverse(world: World) -> Job:
    return run(world, lambda: recovery.reverse_replicate(world.item(), ORIGIN, world.now))


def planned(world: World) -> Job:
    return run(world, lambda: recovery.planned_failover(world.item(), None, ORIGIN, world.now))


def copies(world: World) -> tuple[Copy, Copy]:
    """The machine's copy at the primary site, and the one at the recovery site."""
    item = world.item()
    return (
        world.hyperv.copies[item.primary_host, item.vm_id],
        world.hyperv.copies[item.recovery_host, item.vm_id],
    )
