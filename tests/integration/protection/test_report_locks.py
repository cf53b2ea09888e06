"""Reports and jobs on the same items at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from coordinator.jobs.registry import Registry
from coordinator.protection import services
from coordinator.protection.transitions import lock_item
from tests.integration.protection.world import World, make_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("RE-4")]


@pytest.fixture
def protected(transactional_db: None, registry: Registry) -> World:
    """What other connections see."""
    world = make_world(registry)
    world.protect()
    # Nothing but its time will differ from now on.
    world.report()
    return world


def tell(world: World, state: str) -> None:
    """In a connection of its own, which waits a second at most for anybody."""
    item = world.item()
    told = world.hyperv.report(item.vm_id, item.primary_host, world.now)
    told.state = state
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1s'")
            fabric = world.fabric("vmm-shanghai")
            services.ingest_replication(fabric.id, [told], world.now, world.now)
    finally:
        connection.close()


def test_a_report_of_a_cycle_that_went_well_waits_for_no_job_and_one_of_a_change_does(
    protected: World,
) -> None:
    item = protected.item()
    protected.pass_(30)
    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        lock_item(item.id)
        threads.submit(tell, protected, "Replicating").result(30)
        with pytest.raises(OperationalError):
            threads.submit(tell, protected, "Error").result(30)
    side = protected.item().side("Primary")
    assert side is not None
    assert (side.state, side.observed_at) == ("Replicating", protected.now)


def test_both_sites_report_the_same_machine_at_once(protected: World) -> None:
    protected.pass_(30)
    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        item = protected.item()
        told = protected.hyperv.report(item.vm_id, item.recovery_host, protected.now)
        fabric = protected.fabric("vmm-beijing")
        services.ingest_replication(fabric.id, [told], protected.now, protected.now)
        # The other site's report is stored while this one's transaction is open.
        threads.submit(tell, protected, "Replicating").result(30)
    seen = {side.location: side.observed_at for side in protected.item().sides.all()}
    assert seen == {"Primary": protected.now, "Recovery": protected.now}
