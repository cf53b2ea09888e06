"""Disks that join and leave a replication, comparisons at a time, statistics of an interval."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deploy.lab.site import machine_operations
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.replication_model import ReplicationSettings, ReplicationState
from deploy.lab.site.resynchronization import Resumption
from tests.unit.lab.site.conftest import Lab

pytestmark = pytest.mark.spec("RE-5")

MIB = 1024**2


async def new_disk(lab: Lab) -> str:
    disk = await machine_operations.add_disk(
        lab.east, lab.vm(lab.east), r"C:\ClusterStorage\V1", 2 * MIB
    )
    return disk.path


async def replicate_disks(lab: Lab, paths: list[str]) -> None:
    settings = ReplicationSettings(replicated_disk_paths=paths)
    east = lab.east
    await east.set_replication(lab.host(east), lab.vm(east), settings, "c-disks")


def paths_of(lab: Lab) -> list[str]:
    return [disk.path for disk in lab.vm(lab.east).disks]


async def test_a_disk_attached_later_replicates_once_it_is_named_and_then_byte_for_byte(
    lab: Lab,
) -> None:
    await lab.replicate()
    await new_disk(lab)
    assert len(lab.vm(lab.west).disks) == len(lab.vm(lab.east).disks) - 1
    await lab.cycle()
    await replicate_disks(lab, paths_of(lab))
    assert lab.state(lab.east) == "Primary WaitingForUpdateCompletion"
    await lab.in_state(lab.east, ReplicationState.REPLICATING)
    assert len(lab.vm(lab.west).disks) == len(lab.vm(lab.east).disks)
    await lab.cycle()
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.east.prepare_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    assert lab.bytes_of(lab.east) == lab.bytes_of(lab.west)


async def test_a_disk_that_is_left_out_is_no_longer_on_the_replica(lab: Lab) -> None:
    await lab.replicate()
    await new_disk(lab)
    await replicate_disks(lab, paths_of(lab))
    await lab.in_state(lab.east, ReplicationState.REPLICATING)
    await replicate_disks(lab, paths_of(lab)[:1])
    await lab.in_state(lab.east, ReplicationState.REPLICATING)
    assert len(lab.vm(lab.west).disks) == 1
    await lab.cycle()


async def test_the_same_disks_again_change_nothing_and_leave_no_effect(lab: Lab) -> None:
    await lab.replicate()
    await replicate_disks(lab, paths_of(lab))
    assert lab.state(lab.east) == "Primary Replicating"
    assert not [each for each in lab.east.effects.read() if each.command_id == "c-disks"]


@pytest.mark.parametrize("wrong", ["path", "state"])
async def test_disks_of_another_machine_and_of_a_paused_one_are_refused(
    lab: Lab, wrong: str
) -> None:
    await lab.replicate()
    await new_disk(lab)
    paths = paths_of(lab)
    if wrong == "path":
        paths.append(r"C:\Elsewhere\disk.vhdx")
    else:
        await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    before = lab.state(lab.east)
    with pytest.raises(HyperVError):
        await replicate_disks(lab, paths)
    assert lab.state(lab.east) == before


async def test_a_comparison_begins_at_its_time(lab: Lab) -> None:
    await lab.replicate(recovery_history=3)
    east, vm = lab.east, lab.vm(lab.east)
    await east.suspend_replication(lab.host(east), vm, "c")
    soon = east.clock.now() + timedelta(seconds=0.2)
    how = Resumption(resynchronize=True, start_time=soon)
    await east.resume_replication(lab.host(east), vm, "c", how)
    assert lab.replication(east).resynchronize_start_time == soon
    assert lab.state(east) == "Primary Suspended"
    await lab.in_state(east, ReplicationState.REPLICATING)
    assert lab.replication(east).resynchronize_start_time is None


@pytest.mark.parametrize(
    ("suspended", "days", "error"),
    [(True, 8, "InvalidParameter"), (False, 1, "InvalidState")],
)
async def test_a_time_too_far_ahead_or_for_what_runs_is_refused(
    lab: Lab, suspended: bool, days: int, error: str
) -> None:
    await lab.replicate()
    east, vm = lab.east, lab.vm(lab.east)
    if suspended:
        await east.suspend_replication(lab.host(east), vm, "c")
    how = Resumption(resynchronize=True, start_time=east.clock.now() + timedelta(days=days))
    with pytest.raises(HyperVError) as refused:
        await east.resume_replication(lab.host(east), vm, "c", how)
    assert refused.value.error_id == error
    assert lab.replication(east).resynchronize_start_time is None


async def test_continue_goes_on_with_an_interrupted_comparison_only(lab: Lab) -> None:
    await lab.replicate()
    east, vm = lab.east, lab.vm(lab.east)
    await east.suspend_replication(lab.host(east), vm, "c")
    with pytest.raises(HyperVError):
        await east.resume_replication(lab.host(east), vm, "c", Resumption(go_on=True))
    assert lab.state(east) == "Primary Suspended"


@pytest.mark.spec("RE-8")
async def test_counters_begin_anew_with_the_host_s_monitoring_interval(lab: Lab) -> None:
    await lab.replicate()
    replication = lab.replication(lab.east)
    replication.statistics.misses = 7
    replication.statistics.monitoring_start = lab.east.clock.now() - timedelta(days=2)
    await lab.cycle()
    statistics = lab.replication(lab.east).statistics
    assert statistics.misses == 0
    assert statistics.monitoring_start is not None
    assert statistics.monitoring_start <= lab.east.clock.now()


@pytest.mark.parametrize("start_time", [None, timedelta(days=1)])
async def test_a_first_copy_that_is_paused_has_nothing_to_be_compared_with(
    lab: Lab, start_time: timedelta | None
) -> None:
    await lab.enable()
    east, vm = lab.east, lab.vm(lab.east)
    host = lab.host(east)
    await east.start_initial_replication(host, vm, "c")
    await east.suspend_replication(host, vm, "c")
    later = None if start_time is None else east.clock.now() + start_time
    with pytest.raises(HyperVError) as refused:
        await east.resume_replication(
            host, vm, "c", Resumption(resynchronize=True, start_time=later)
        )
    assert refused.value.error_id == "InvalidState"
    assert lab.state(east) == "Primary Suspended"
    await east.resume_replication(host, vm, "c")
    await lab.in_state(east, ReplicationState.REPLICATING)
