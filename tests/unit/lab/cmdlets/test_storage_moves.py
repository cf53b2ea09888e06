"""Move-VMStorage on real files, and the room that real files leave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from deploy.lab.site import disk
from deploy.lab.site.model import FileShare
from deploy.lab.site.space import free_bytes, place_at
from tests.unit.lab.cmdlets.test_replication import EAST, WEST, replicate, state_of
from tests.unit.lab.site.conftest import until

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

T1 = r"C:\ClusterStorage\T1"
SHARE = r"\\FileServer\Gold"
MEBIBYTE = 1024**2


def add_share(shell: Shell, free: int = 1024 * MEBIBYTE) -> FileShare:
    share = FileShare(
        id="0b9ad2a8-8c40-4b53-9d77-7c1f76b7f0aa",
        name="Gold",
        path=SHARE,
        classification="GOLD_TARGET",
        capacity_bytes=2 * free,
        free_bytes=free,
        hosts=[WEST],
    )
    shell.site.vmm.file_shares.append(share)
    return share


def move(step: Any, *pairs: tuple[str, str], **more: Any) -> Any:
    vhds = [{"SourceFilePath": old, "DestinationFilePath": new} for old, new in pairs]
    return step("Move-VMStorage", Vhds=vhds, Confirm=False, **more)


async def refusal(shell: Shell, *steps: Any) -> str:
    before = len(shell.effects())
    outcome = await shell.run(*steps)
    assert len(outcome.errors) == 1
    assert len(shell.effects()) == before
    return str(outcome.errors[0].Exception.Message)


@pytest.mark.spec("ST-2")
async def test_a_replica_that_replicates_is_moved_and_goes_on_replicating(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east, west = pair
    share = add_share(west)
    await replicate(pair, step)
    [vm] = west.site.virtual_machines
    [old] = vm.disks
    old_path, old_file = old.path, west.site.folder / old.file
    content = disk.digest(old_file)
    new_path = rf"{SHARE}\Hyper-V Replica\Virtual hard disks\{vm.vm_id.upper()}\App.vhdx"
    machine = step("Get-VM", ComputerName=WEST)
    await west.objects(machine, move(step, (old_path, new_path), VirtualMachinePath=SHARE))
    [drive] = await west.objects(machine, step("Get-VMHardDiskDrive"))
    assert drive.Path == new_path
    [shown] = await west.objects(machine)
    assert shown.Path == SHARE
    assert not old_file.exists()
    moved = west.site.folder / vm.disks[0].file
    assert (moved.stat().st_size, vm.disks[0].classification) == (3 * MEBIBYTE, "GOLD_TARGET")
    assert disk.digest(moved) == content or vm.replication is not None
    assert "storage.moved" in west.effects()
    assert free_bytes(west.site, share) == share.free_bytes - disk.allocated_bytes(moved)
    # A log that comes now is applied to the moved disk.
    applied = vm.replication.log.applied if vm.replication else 0
    await until(
        lambda: vm.replication is not None and vm.replication.log.applied > applied,
        "a log applied",
    )
    assert state_of(east) == state_of(west) == "Replicating"


@pytest.mark.spec("ST-2")
async def test_a_placeholder_is_moved_before_its_first_copy(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east, west = pair
    add_share(west)
    [certificate] = await east.objects(step("Get-OsrReplicationCertificate", ComputerName=EAST))
    machine = step("Get-VM", ComputerName=EAST)
    enable = step(
        "Enable-VMReplication",
        ReplicaServerName=WEST,
        ReplicaServerPort=8084,
        AuthenticationType="Certificate",
        CertificateThumbprint=str(certificate.Thumbprint),
        ReplicationFrequencySec=30,
        Confirm=False,
    )
    await east.objects(machine, enable)
    [vm] = west.site.virtual_machines
    target = rf"{SHARE}\App.vhdx"
    await west.objects(step("Get-VM", ComputerName=WEST), move(step, (vm.disks[0].path, target)))
    await east.objects(machine, step("Start-VMInitialReplication", Confirm=False))
    await until(lambda: state_of(west) == "Replicating", "replicating")
    assert disk.allocated_bytes(west.site.folder / vm.disks[0].file) > 0
    assert vm.disks[0].path == target


@pytest.mark.spec("ST-2")
async def test_a_replica_is_moved_while_its_first_copy_runs(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east, west = pair
    add_share(west)
    await east.objects(
        step(
            "New-NetQosPolicy",
            "Slow",
            IPDstPortMatchCondition=8084,
            ThrottleRateActionBitsPerSecond=4 * 1024**2,
            CimSession=EAST,
            Confirm=False,
        )
    )
    copying = asyncio.create_task(replicate(pair, step))
    await until(
        lambda: state_of(east) == "InitialReplicationInProgress" and _allocated(west) > 0,
        "a part of the copy",
    )
    [vm] = west.site.virtual_machines
    target = rf"{SHARE}\App.vhdx"
    await west.objects(step("Get-VM", ComputerName=WEST), move(step, (vm.disks[0].path, target)))
    assert not copying.done()
    await copying
    assert vm.disks[0].path == target
    # What was copied before the move is there as well: a quarter of the disk was filled.
    assert _allocated(west) >= MEBIBYTE // 2


def _allocated(shell: Shell) -> int:
    return sum(
        disk.allocated_bytes(file)
        for vm in shell.site.virtual_machines
        for file in shell.site.all_disk_files(vm).values()
    )


async def test_what_windows_refuses_is_refused_and_changes_nothing(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    west = pair[1]
    add_share(west, free=4096)
    await replicate(pair, step)
    [vm] = west.site.virtual_machines
    path = vm.disks[0].path
    machine = step("Get-VM", ComputerName=WEST)
    for target, why in (
        (r"\\Elsewhere\Share\App.vhdx", "0x80070003"),
        (rf"{SHARE}\App.vhdx", "0x80070070"),
        (rf"{T1}\Other.vhdx", "name of the virtual hard disk"),
        (path, "is there already"),
    ):
        assert why in await refusal(west, machine, move(step, (path, target)))
    unknown = move(step, (r"C:\None.vhdx", rf"{T1}\None.vhdx"))
    assert "has no virtual hard disk" in await refusal(west, machine, unknown)
    wrong = step("Move-VMStorage", Vhds=[{"From": path, "To": T1}], Confirm=False)
    assert "SourceFilePath" in await refusal(west, machine, wrong)
    absent = move(step, (path, rf"{T1}\App.vhdx"), ComputerName=WEST, Name="None")
    assert "unable to find" in await refusal(west, absent)
    assert vm.disks[0].path == path


async def test_everything_can_go_to_one_folder(pair: tuple[Shell, Shell], step: Any) -> None:
    west = pair[1]
    await replicate(pair, step)
    await west.objects(
        step("Move-VMStorage", "App", T1, ComputerName=WEST, Confirm=False),
    )
    [vm] = west.site.virtual_machines
    assert vm.disks[0].path == rf"{T1}\Virtual Hard Disks\App.vhdx"
    assert vm.path == T1


async def test_free_space_is_what_real_files_leave(east: Shell, step: Any) -> None:
    server = step("Get-SCVMMServer", ComputerName="localhost")
    volumes = await east.objects(server, step("Get-SCStorageVolume"))
    shown = {str(each.Name): int(each.FreeSpace) for each in volumes}
    [vm] = east.site.virtual_machines
    taken = disk.allocated_bytes(east.site.folder / vm.disks[0].file)
    assert taken > 0
    path = r"C:\ClusterStorage\V1"
    place = place_at(east.site, EAST, vm.disks[0].path)
    assert place is not None
    assert shown[path] <= place.free_bytes - taken + 64 * 1024
    # The volume that this one is mounted in has the disk not a second time.
    assert shown["C:\\"] == 900 * 1024**3


@pytest.mark.spec("ST-2")
async def test_a_first_copy_onto_a_full_volume_waits_for_room(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    west = pair[1]
    for volume in west.site.vmm.volumes:
        volume.free_bytes = 0
    with pytest.raises(AssertionError, match="0x80070070"):
        await replicate(pair, step)
    assert west.site.virtual_machines == ()


@pytest.mark.spec("ST-2")
async def test_a_second_move_is_refused_while_the_first_works_and_the_machine_shows_it(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    _, west = pair
    add_share(west)
    await replicate(pair, step)
    [vm] = west.site.virtual_machines
    machine = step("Get-VM", ComputerName=WEST)
    pairs = (vm.disks[0].path, rf"{SHARE}\{vm.vm_id}\App.vhdx")
    runtime = west.site.runtime(vm)
    async with runtime.lock:
        first = asyncio.create_task(west.objects(machine, move(step, pairs)))
        await until(lambda: runtime.storage_is_moved, "the move has begun")
        [shown] = await west.objects(machine)
        assert [str(each) for each in shown.OperationalStatus] == [
            "InService",
            "StorageMigrationPhaseOne",
        ]
        assert "being moved already" in await refusal(west, machine, move(step, pairs))
    await first
    [shown] = await west.objects(machine)
    assert [str(each) for each in shown.OperationalStatus] == ["Ok"]
    assert vm.disks[0].path == pairs[1]
