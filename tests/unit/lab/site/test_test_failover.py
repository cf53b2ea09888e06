"""Test virtual machines: bytes of their own, beside a replica that replicates on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import disk, ledger
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import VMState
from deploy.lab.site.replication_model import ReplicationState
from deploy.lab.site.test_failover import drop_half_made

if TYPE_CHECKING:
    from deploy.lab.site.model import VirtualMachine
    from tests.unit.lab.site.conftest import Lab


async def start(lab: Lab, point: str | None = None) -> VirtualMachine:
    west = lab.west
    return await west.start_test_failover(lab.host(west), lab.vm(west), "c", point)


async def stop(lab: Lab) -> None:
    await lab.west.cancel_failover(lab.host(lab.west), lab.vm(lab.west), "c")


def digests(lab: Lab, vm: VirtualMachine) -> list[str]:
    files = lab.west.all_disk_files(vm)
    return [disk.digest(files[each.id]) for each in vm.disks]


@pytest.mark.spec("FO-1")
async def test_a_test_machine_is_a_machine_of_its_own_that_is_off_and_connected_to_nothing(
    lab: Lab,
) -> None:
    await lab.replicate()
    west, replica = lab.west, lab.vm(lab.west)
    machine = await start(lab)
    assert machine.name == f"{replica.name} - Test"
    assert machine.vm_id != replica.vm_id
    assert machine.host_fqdn == replica.host_fqdn
    assert machine.state is VMState.OFF
    assert machine.cloud_id is None
    assert {each.switch_name for each in machine.adapters} <= {None}
    assert west.test_machine(replica) is machine
    assert lab.state(west) == "Replica Replicating"
    assert replica.state is VMState.OFF


@pytest.mark.spec("FO-1")
async def test_replication_goes_on_under_a_test_that_runs_and_neither_sees_the_other(
    lab: Lab,
) -> None:
    await lab.replicate()
    west, replica = lab.west, lab.vm(lab.west)
    machine = await start(lab)
    await west.start_vm(lab.host(west), machine, "c")
    guest = west.runtime(machine).guest
    assert guest is not None
    wrote = await guest.write_record()
    # The number of the log that is sent next, or is on its way.
    next_log = lab.replication(lab.east).log.sequence
    await lab.cycle()
    assert lab.replication(west).log.applied >= next_log
    file = west.all_disk_files(machine)[machine.disks[0].id]
    assert ledger.read(file).last is not None
    assert (ledger.read(file).last or 0) >= wrote
    assert ledger.read(file).gaps == 0
    before = digests(lab, replica)
    await stop(lab)
    assert digests(lab, replica) == before
    assert west.test_machine(replica) is None
    assert not west.vm_folder(machine).exists()
    await lab.cycle()


async def test_a_test_from_a_point_has_the_bytes_of_its_time(lab: Lab) -> None:
    await lab.replicate(recovery_history=4)
    west, replica = lab.west, lab.vm(lab.west)
    point = west.recovery_points(replica)[0]
    for _ in range(2):
        await lab.cycle()
    async with west.runtime(replica).lock:
        newest = digests(lab, replica)
    await lab.east.suspend_replication(lab.host(lab.east), lab.vm(lab.east), "c")
    machine = await start(lab, point.id)
    assert digests(lab, machine) != newest
    reading = ledger.read(west.all_disk_files(machine)[machine.disks[0].id])
    assert reading.gaps == 0
    await stop(lab)
    with pytest.raises(HyperVError, match="recovery point was not found"):
        await start(lab, "no-such-point")
    assert west.test_machine(replica) is None


async def test_what_windows_refuses_is_refused_and_leaves_no_trace(lab: Lab) -> None:
    await lab.replicate()
    west, east, replica = lab.west, lab.east, lab.vm(lab.west)
    with pytest.raises(HyperVError, match="not possible on the Primary"):
        await east.start_test_failover(lab.host(east), lab.vm(east), "c")
    await start(lab)
    lines = len(west.effects.read())
    with pytest.raises(HyperVError, match="test failover has not been stopped"):
        await start(lab)
    with pytest.raises(HyperVError, match="test failover has not been stopped"):
        await west.start_failover(lab.host(west), replica, "c")
    with pytest.raises(HyperVError, match="test failover has not been stopped"):
        await west.remove_replication(lab.host(west), replica, "c")
    assert len(west.effects.read()) == lines
    await stop(lab)
    with pytest.raises(HyperVError):
        await stop(lab)
    lab.replication(west).state = ReplicationState.RESYNCHRONIZING
    with pytest.raises(HyperVError, match="valid replication state"):
        await start(lab)
    lab.replication(west).state = ReplicationState.REPLICATING
    await west.start_failover(lab.host(west), replica, "c")
    with pytest.raises(HyperVError, match="valid replication state"):
        await start(lab)


async def test_a_test_machine_that_somebody_deleted_bars_nothing(lab: Lab) -> None:
    await lab.replicate()
    west, replica = lab.west, lab.vm(lab.west)
    west.forget_vm(await start(lab))
    assert west.test_machine(replica) is None
    await start(lab)
    await stop(lab)


async def test_a_test_machine_cut_short_by_a_loss_of_power_is_gone_after_it(lab: Lab) -> None:
    await lab.replicate()
    west, replica = lab.west, lab.vm(lab.west)
    machine = await start(lab)
    assert not drop_half_made(west, machine)
    lab.replication(west).test_vm_id = None
    assert drop_half_made(west, machine)
    assert west.vm_by_key(replica.host_fqdn, machine.vm_id) is None


async def test_the_guest_of_a_test_takes_the_failover_address(lab: Lab) -> None:
    await lab.replicate()
    west, replica = lab.west, lab.vm(lab.west)
    for adapter in replica.adapters:
        adapter.failover_ipv4 = {"IPv4Address": "10.9.9.9"}
    machine = await start(lab)
    await west.start_vm(lab.host(west), machine, "c")
    assert [each.ip_addresses[0] for each in machine.adapters] == ["10.9.9.9"] * len(
        machine.adapters
    )
    assert all("10.9.9.9" not in each.ip_addresses for each in replica.adapters)
    await stop(lab)
