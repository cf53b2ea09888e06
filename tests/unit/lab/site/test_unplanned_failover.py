from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import ledger
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.replication_model import (
    ReplicationHealth,
    ReplicationSettings,
    ReplicationState,
    ReplicationType,
)

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab


async def test_unplanned_failover_loses_what_was_not_sent_and_no_more(lab: Lab) -> None:
    await lab.replicate()
    east, west = lab.east, lab.west
    east.links.cut("East")
    guest = east.runtime(lab.vm(east)).guest
    assert guest is not None
    await guest.write_record()
    await west.start_failover(lab.host(west), lab.vm(west), "c")
    assert lab.replication(west).failed_over_type is ReplicationType.REGULAR
    await west.start_vm(lab.host(west), lab.vm(west), "c")
    found = lab.vm(west).boot_ledger_last
    assert found is not None
    assert 0 < found < east.witness(lab.vm(east)).last()[0]
    assert west.replication_health(lab.vm(west)) is ReplicationHealth.WARNING


async def test_an_older_point_holds_the_bytes_of_its_time_and_can_be_undone(lab: Lab) -> None:
    await lab.replicate(recovery_history=4)
    west = lab.west
    points = west.recovery_points(lab.vm(west))
    assert len(points) == 1
    async with west.runtime(lab.vm(west)).lock:
        then = lab.bytes_of(west)
        at_point = lab.replication(west).log.applied == points[0].sequence
    for _ in range(3):
        await lab.cycle()
    await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    newest = lab.bytes_of(west)
    assert newest != then
    await west.start_failover(lab.host(west), lab.vm(west), "c", points[0].id)
    if at_point:
        assert lab.bytes_of(west) == then
    reading = ledger.read(west.folder / lab.vm(west).disks[0].file)
    assert reading.gaps == 0
    await west.cancel_failover(lab.host(west), lab.vm(west), "c")
    assert lab.bytes_of(west) == newest
    assert lab.state(west) == "Replica Replicating"
    await lab.east.resume_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.cycle()


async def test_an_unknown_point_and_a_missing_undo_log_are_refused(lab: Lab) -> None:
    await lab.replicate(recovery_history=4)
    await lab.cycle()
    west = lab.west
    with pytest.raises(HyperVError, match="recovery point was not found"):
        await west.start_failover(lab.host(west), lab.vm(west), "c", "no-such-point")
    await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    newest = lab.bytes_of(west)
    west.received(lab.vm(west)).undo.drop_all()
    point = west.recovery_points(lab.vm(west))[0]
    with pytest.raises(HyperVError, match="0x80004004"):
        await west.start_failover(lab.host(west), lab.vm(west), "c", point.id)
    assert lab.bytes_of(west) == newest
    assert lab.state(west) == "Replica Replicating"


async def test_the_way_back_after_unplanned_failover_compares_and_sends(lab: Lab) -> None:
    await lab.replicate()
    east, west = lab.east, lab.west
    await west.start_failover(lab.host(west), lab.vm(west), "c")
    await west.start_vm(lab.host(west), lab.vm(west), "c")
    with pytest.raises(HyperVError, match="failed to enable reverse replication"):
        await west.reverse_replication(lab.host(west), lab.vm(west), ReplicationSettings(), "c")
    with pytest.raises(HyperVError, match="must be off"):
        await east.set_replication(
            lab.host(east), lab.vm(east), ReplicationSettings(as_replica=True), "c"
        )
    await east.stop_vm(lab.host(east), lab.vm(east), "c", turn_off=True)
    await east.set_replication(
        lab.host(east), lab.vm(east), ReplicationSettings(as_replica=True), "c"
    )
    assert lab.state(east) == "Replica WaitingForInitialReplication"
    await west.reverse_replication(lab.host(west), lab.vm(west), ReplicationSettings(), "c")
    assert lab.state(west) == "Primary ReadyForInitialReplication"
    await west.start_initial_replication(lab.host(west), lab.vm(west), "c")
    await lab.in_state(west, ReplicationState.REPLICATING)
    await lab.in_state(east, ReplicationState.REPLICATING)
    await west.stop_vm(lab.host(west), lab.vm(west), "c")
    await west.prepare_failover(lab.host(west), lab.vm(west), "c")
    assert lab.bytes_of(west) == lab.bytes_of(east)


async def test_history_is_kept_to_its_length_with_its_undo_logs(lab: Lab) -> None:
    lab.east.clock.speed = lab.west.clock.speed = 1e9  # every log makes a point
    await lab.replicate(recovery_history=2)
    for _ in range(4):
        await lab.cycle()
    await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    async with lab.west.runtime(lab.vm(lab.west)).lock:
        points = lab.west.recovery_points(lab.vm(lab.west))
        undo = list((lab.west.vm_folder(lab.vm(lab.west)) / "undo").glob("*.hru"))
    assert len(points) == 2
    assert {int(each.stem) for each in undo} == {points[-1].sequence}
