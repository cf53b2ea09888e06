from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import disk, ledger
from deploy.lab.site.log_message import pack, unpack
from deploy.lab.site.model import VMState
from deploy.lab.site.power import shut_down
from deploy.lab.site.replication_model import (
    ReplicationSettings,
    ReplicationState,
    ReplicationType,
)
from deploy.lab.site.undo import apply_records

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab


async def test_a_primary_that_lost_power_needs_a_resynchronisation_and_loses_nothing(
    lab: Lab,
) -> None:
    await lab.replicate()
    written = lab.east.witness(lab.vm(lab.east)).last()[0]
    await lab.lose_power("East")
    east = await lab.boot("East")
    vm = lab.vm(east)
    assert vm.state is VMState.RUNNING
    assert vm.boot_ledger_last is not None
    assert vm.boot_ledger_last >= written
    assert lab.state(east) == "Primary WaitingForStartResynchronize"
    await east.resume_replication(lab.host(east), vm, "c", resynchronize=True)
    await lab.in_state(east, ReplicationState.REPLICATING)
    await east.stop_vm(lab.host(east), vm, "c")
    await east.prepare_failover(lab.host(east), vm, "c")
    assert lab.bytes_of(east) == lab.bytes_of(lab.west)
    assert ledger.read(east.folder / vm.disks[0].file).gaps == 0


async def test_an_orderly_shutdown_keeps_replication_whole(lab: Lab) -> None:
    await lab.replicate()
    await shut_down(lab.sites.pop("East"))
    east = await lab.boot("East")
    assert lab.vm(east).state is VMState.RUNNING
    assert lab.state(east) == "Primary Replicating"
    await lab.cycle()


async def test_a_vm_that_was_off_stays_off(lab: Lab) -> None:
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.lose_power("East")
    assert lab.vm(await lab.boot("East")).state is VMState.OFF


async def test_a_replica_that_lost_power_between_storing_and_applying_applies_at_boot(
    lab: Lab,
) -> None:
    await lab.replicate()
    east, west = lab.east, lab.west
    await east.stop_vm(lab.host(east), lab.vm(east), "c")
    vm = lab.vm(west)
    async with west.runtime(vm).lock, east.runtime(lab.vm(east)).lock:
        sequence = lab.replication(east).log.sequence
        tracker = east.tracker(lab.vm(east))
        tracker.freeze(sequence)
        message = pack(tracker.frozen_logs(sequence), compress=True)
        received = west.received(vm)
        next_log = lab.replication(west).log.applied + 1
        received.store(next_log, message)
        first = next(iter(west.disk_files(vm)))
        apply_records(west.disk_files(vm)[first], unpack(message)[first])  # and power is lost
        await lab.lose_power("West")
    west = await lab.boot("West")
    assert lab.replication(west).log.applied == next_log
    assert west.received(lab.vm(west)).stored() == []
    assert lab.bytes_of(west) == lab.bytes_of(east)
    await east.prepare_failover(lab.host(east), lab.vm(east), "c")
    assert lab.bytes_of(west) == lab.bytes_of(east)


async def test_a_failover_cut_short_by_power_loss_never_happened(lab: Lab) -> None:
    await lab.replicate(recovery_history=3)
    await lab.cycle()
    await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    west = lab.west
    vm = lab.vm(west)
    newest = lab.bytes_of(west)
    for disk_id, file in west.disk_files(vm).items():
        disk.copy(file, west.vm_folder(vm) / "failover" / disk_id)
        disk.write(file, 0, b"half rolled back")
    lab.replication(west).state = ReplicationState.RECOVERY_IN_PROGRESS
    west.save_vm(vm)
    await lab.lose_power("West")
    west = await lab.boot("West")
    assert lab.state(west) == "Replica Replicating"
    assert lab.bytes_of(west) == newest


async def test_a_failover_whose_discarding_was_cut_short_is_discarded_whole(lab: Lab) -> None:
    await lab.replicate(recovery_history=3)
    for _ in range(2):
        await lab.cycle()
    await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    west = lab.west
    vm = lab.vm(west)
    newest = lab.bytes_of(west)
    await west.start_failover(lab.host(west), vm, "c", west.recovery_points(vm)[0].id)
    await west.start_vm(lab.host(west), vm, "c")
    # The second disk cannot be put back: power is lost between the two.
    second = west.vm_folder(vm) / "failover" / vm.disks[1].id
    aside = second.with_suffix(".aside")
    second.rename(aside)
    second.mkdir()
    with pytest.raises(OSError, match="directory"):
        await west.cancel_failover(lab.host(west), vm, "c")
    second.rmdir()
    aside.rename(second)
    await lab.lose_power("West")
    west = await lab.boot("West")
    assert lab.state(west) == "Replica Replicating"
    assert lab.vm(west).state is VMState.OFF
    assert lab.replication(west).failed_over_type is ReplicationType.NONE
    assert lab.bytes_of(west) == newest


async def test_a_prepared_failover_survives_power_loss_on_both_sides(lab: Lab) -> None:
    await lab.replicate()
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.east.prepare_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    for name in ("East", "West"):
        await lab.lose_power(name)
        await lab.boot(name)
    east, west = lab.east, lab.west
    assert lab.state(east) == "Primary PreparedForFailover"
    await west.start_failover(lab.host(west), lab.vm(west), "c")
    await west.reverse_replication(lab.host(west), lab.vm(west), ReplicationSettings(), "c")
    await west.start_vm(lab.host(west), lab.vm(west), "c")
    await lab.cycle(west)
    assert lab.state(east) == "Replica Replicating"


async def test_power_loss_on_the_new_site_before_reverse_ends_in_a_resynchronisation(
    lab: Lab,
) -> None:
    await lab.replicate()
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.east.prepare_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.west.start_failover(lab.host(lab.west), lab.vm(lab.west), "c")
    await lab.west.start_vm(lab.host(lab.west), lab.vm(lab.west), "c")
    await lab.lose_power("West")
    west = await lab.boot("West")
    assert lab.vm(west).state is VMState.RUNNING
    await west.reverse_replication(lab.host(west), lab.vm(west), ReplicationSettings(), "c")
    assert lab.state(west) == "Primary WaitingForStartResynchronize"
    await west.resume_replication(lab.host(west), lab.vm(west), "c")
    await lab.in_state(west, ReplicationState.REPLICATING)
    await west.stop_vm(lab.host(west), lab.vm(west), "c")
    await west.prepare_failover(lab.host(west), lab.vm(west), "c")
    assert lab.bytes_of(west) == lab.bytes_of(lab.east)
