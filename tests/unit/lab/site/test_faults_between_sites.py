from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import resync_trigger
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.log_message import pack
from deploy.lab.site.primary_link import primary_link
from deploy.lab.site.replication_model import (
    ReplicationHealth,
    ReplicationSettings,
    ReplicationState,
)
from deploy.lab.site.replicator import send_now

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab


async def failed(lab: Lab) -> None:
    """The next cycle fails."""
    from_now = lab.replication(lab.east).statistics.errors
    send_now(lab.east, lab.vm(lab.east))
    await lab.until(
        lambda: lab.replication(lab.east).statistics.errors > from_now, "a cycle failed"
    )


async def test_a_cut_makes_the_primary_critical_and_healing_catches_up(lab: Lab) -> None:
    await lab.replicate()
    lab.west.links.cut("West")
    await failed(lab)
    assert lab.state(lab.east) == "Primary Replicating"
    assert lab.east.replication_health(lab.vm(lab.east)) is ReplicationHealth.CRITICAL
    assert re.search("0x00002EF[DE]", lab.replication(lab.east).last_error)
    lab.west.links.heal("West")
    await lab.cycle()
    assert lab.replication(lab.east).log.failures == 0


async def test_prepare_over_a_cut_fails_and_can_be_tried_again(lab: Lab) -> None:
    await lab.replicate()
    east = lab.east
    await east.stop_vm(lab.host(east), lab.vm(east), "c")
    east.links.cut("East")
    with pytest.raises(HyperVError, match="0x00002EFD"):
        await east.prepare_failover(lab.host(east), lab.vm(east), "c")
    assert lab.state(east) == "Primary Replicating"
    east.links.heal("East")
    await east.prepare_failover(lab.host(east), lab.vm(east), "c")
    assert lab.bytes_of(east) == lab.bytes_of(lab.west)


async def test_full_storage_is_recoverable(lab: Lab) -> None:
    await lab.replicate()
    lab.west.faults.set_full_host(lab.host(lab.west).fqdn, full=True)
    await failed(lab)
    assert lab.state(lab.east) == "Primary Replicating"
    assert "not enough space" in lab.replication(lab.east).last_error
    lab.west.faults.set_full_host(lab.host(lab.west).fqdn, full=False)
    await lab.cycle()


async def test_a_missing_log_makes_a_resynchronisation_necessary(lab: Lab) -> None:
    await lab.replicate(recovery_history=3)
    east = lab.east
    async with east.runtime(lab.vm(east)).lock:
        lab.replication(east).log.sequence += 5
    send_now(east, lab.vm(east))
    await lab.in_state(east, ReplicationState.WAITING_FOR_START_RESYNCHRONIZE)
    assert east.replication_health(lab.vm(east)) is ReplicationHealth.CRITICAL
    assert not lab.replication(east).log.tracking
    points = lab.west.recovery_points(lab.vm(lab.west))
    assert points
    await east.resume_replication(lab.host(east), lab.vm(east), "c", resynchronize=True)
    await lab.in_state(east, ReplicationState.REPLICATING)
    await lab.cycle()
    assert not {each.id for each in points} & {
        each.id for each in lab.west.recovery_points(lab.vm(lab.west))
    }
    await east.stop_vm(lab.host(east), lab.vm(east), "c")
    await east.prepare_failover(lab.host(east), lab.vm(east), "c")
    assert lab.bytes_of(east) == lab.bytes_of(lab.west)


async def test_a_log_sent_twice_is_acknowledged_and_applied_once(lab: Lab) -> None:
    await lab.replicate()
    east, vm = lab.east, lab.vm(lab.east)
    replication = lab.replication(east)
    async with east.runtime(vm).lock:
        before = lab.replication(lab.west).statistics.successes
        sequence = replication.log.sequence
        tracker = east.tracker(vm)
        tracker.freeze(sequence)
        message = pack(tracker.frozen_logs(sequence), compress=True)
        for _ in range(2):  # as if the first acknowledgement had been lost
            async with primary_link(east, vm, replication) as link:
                answer, _ = await link.request(
                    "log",
                    message,
                    sequence=sequence,
                    type="Regular",
                    size_bytes=len(message),
                    recovery_history=0,
                    frequency_seconds=30,
                )
            assert answer["applied"] == sequence
        assert lab.replication(lab.west).statistics.successes == before + 1
    await east.stop_vm(lab.host(east), vm, "c")
    await east.prepare_failover(lab.host(east), vm, "c")
    assert lab.bytes_of(east) == lab.bytes_of(lab.west)


async def test_logs_over_half_of_the_disks_make_a_resynchronisation_necessary(lab: Lab) -> None:
    await lab.replicate()
    east = lab.east
    await east.suspend_replication(lab.host(east), lab.vm(east), "c")
    vm = lab.vm(east)
    half = sum(each.size_bytes for each in vm.disks) // 2
    east.tracker(vm).append(vm.disks[0].id, 0, bytes(half))
    resync_trigger.note_write(east, vm)
    assert lab.state(east) == "Primary WaitingForStartResynchronize"


async def test_a_paused_replica_stops_the_flow_until_resumed(lab: Lab) -> None:
    await lab.replicate()
    west = lab.west
    await west.suspend_replication(lab.host(west), lab.vm(west), "c")
    assert west.replication_health(lab.vm(west)) is ReplicationHealth.CRITICAL
    await failed(lab)
    await west.resume_replication(lab.host(west), lab.vm(west), "c")
    await lab.cycle()


async def test_a_capped_first_copy_shows_progress_and_can_be_stopped(lab: Lab) -> None:
    lab.east.faults.bandwidth_bytes_per_second = 200_000
    await lab.enable()
    east = lab.east
    await east.start_initial_replication(lab.host(east), lab.vm(east), "c")
    await lab.until(lambda: 0 < (lab.replication(east).copy_percent or 0) < 100, "progress shows")
    await east.stop_initial_replication(lab.host(east), lab.vm(east), "c")
    assert lab.state(east) == "Primary ReadyForInitialReplication"
    assert lab.state(lab.west) == "Replica WaitingForInitialReplication"
    lab.east.faults.bandwidth_bytes_per_second = None
    await east.start_initial_replication(lab.host(east), lab.vm(east), "c")
    await lab.in_state(east, ReplicationState.REPLICATING)
    await lab.cycle()


async def test_enabling_twice_and_removing_on_both_sides(lab: Lab) -> None:
    await lab.replicate()
    with pytest.raises(HyperVError, match="already enabled"):
        await lab.enable()
    for site in (lab.east, lab.west):
        await site.remove_replication(lab.host(site), lab.vm(site), "c")
        assert lab.vm(site).replication is None
    await lab.west.start_vm(lab.host(lab.west), lab.vm(lab.west), "c")
    assert lab.vm(lab.west).name == "App"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (ReplicationSettings(frequency_seconds=60), "30, 300 or 900"),
        (ReplicationSettings(recovery_history=25), "between 0 and 24"),
        (ReplicationSettings(recovery_history=2, vss_hours=13), "between 1 and 12"),
        (ReplicationSettings(vss_hours=1), "RecoveryHistory is not 0"),
        (ReplicationSettings(certificate_thumbprint=""), "CertificateThumbprint"),
        (ReplicationSettings(excluded_disk_paths=["X:\\no.vhdx"]), "0x80070057"),
    ],
)
async def test_settings_that_make_no_sense_change_nothing(
    lab: Lab, settings: ReplicationSettings, text: str
) -> None:
    await lab.enable()
    east = lab.east
    before = repr(lab.replication(east))
    with pytest.raises(HyperVError, match=text):
        await east.set_replication(lab.host(east), lab.vm(east), settings, "c")
    assert repr(lab.replication(east)) == before
