"""The first copy by a disk in a bag: exported, carried, imported, with the changes since."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from deploy.lab.site.errors import HyperVError
from deploy.lab.site.replication_model import ReplicationState
from deploy.lab.site.transfer_paths import (
    LOCAL_PATH,
    Delegation,
    PathRights,
    TransferPath,
    TransferPaths,
    accounts,
    carry,
)
from tests.unit.lab.site.conftest import Lab

SHARE = r"\\FileServer\Seed"
pytestmark = pytest.mark.spec("OF-1")


def grant(lab: Lab, path: str = LOCAL_PATH) -> None:
    """What the product does: full control for the hosts' computer accounts."""
    for site in (lab.east, lab.west):
        paths = TransferPaths(site)
        records = paths.load()
        host = accounts(site).computer(lab.host(site).fqdn)
        for each in records.paths:
            if each.path == path:
                each.rights[host] = PathRights(ntfs="FullControl", share="FullControl")
        paths.save(records)


def folder(lab: Lab, name: str = "East") -> Path:
    site = lab.sites[name]
    found = TransferPaths(site).folder(lab.host(site).fqdn, LOCAL_PATH)
    assert found is not None
    return found


async def export(lab: Lab) -> str:
    """Exports App to the end; gives the folder's name."""
    east = lab.east
    await east.start_initial_replication(
        lab.host(east), lab.vm(east), "c-export", destination_path=LOCAL_PATH
    )
    await lab.until(lambda: exported(lab), "the export has ended")
    return f"App_{lab.vm(east).vm_id.upper()}"


def exported(lab: Lab) -> bool:
    told = lab.replication(lab.east).export
    return told is not None and told.finished


async def import_(lab: Lab, name: str) -> None:
    west = lab.west
    await west.import_initial_replication(
        lab.host(west), lab.vm(west), rf"{LOCAL_PATH}\{name}", "c-import"
    )


async def test_what_is_carried_and_what_changed_meanwhile_make_the_whole_machine(lab: Lab) -> None:
    east, west = lab.east, lab.west
    grant(lab)
    await east.start_vm(lab.host(east), lab.vm(east), None)
    await lab.enable()
    name = await export(lab)
    assert lab.state(east) == "Primary InitialReplicationInProgress"
    sent = east.sent_bytes
    await lab.cycle()
    await lab.cycle()
    assert lab.state(west) == "Replica WaitingForInitialReplication"
    assert lab.replication(west).log.stored >= 2
    assert east.sent_bytes - sent < sum(each.size_bytes for each in lab.vm(east).disks) // 4

    assert carry(folder(lab), folder(lab, "West")) == [name]
    await import_(lab, name)
    assert lab.state(west) == "Replica Replicating"
    await lab.in_state(east, ReplicationState.REPLICATING)
    await east.stop_vm(lab.host(east), lab.vm(east), None)
    await lab.cycle()
    assert lab.bytes_of(east) == lab.bytes_of(west)
    effects = [each.effect for each in west.effects.read()]
    assert effects.count("first_copy.import_began") == 1
    assert effects.count("first_copy.imported") == 1


async def test_an_export_that_runs_can_be_stopped_one_that_ended_cannot(lab: Lab) -> None:
    east = lab.east
    grant(lab)
    await lab.enable()
    east.faults.bandwidth_bytes_per_second = 512 * 1024
    await east.start_initial_replication(
        lab.host(east), lab.vm(east), "c", destination_path=LOCAL_PATH
    )
    await lab.until(lambda: (lab.replication(east).copy_percent or 0) > 5, "it has begun")
    await east.stop_initial_replication(lab.host(east), lab.vm(east), "c-stop")
    assert lab.state(east) == "Primary ReadyForInitialReplication"
    east.faults.bandwidth_bytes_per_second = None
    name = await export(lab)
    before = len(east.effects.read())
    with pytest.raises(HyperVError) as caught:
        await east.stop_initial_replication(lab.host(east), lab.vm(east), "c-stop-again")
    assert caught.value.error_id == "InvalidState"
    assert len(east.effects.read()) == before
    shutil.rmtree(folder(lab) / name)


async def test_a_loss_of_power_breaks_the_export_off_and_it_is_begun_again(lab: Lab) -> None:
    east = lab.east
    grant(lab)
    await lab.enable()
    east.faults.bandwidth_bytes_per_second = 512 * 1024
    await east.start_initial_replication(
        lab.host(east), lab.vm(east), "c", destination_path=LOCAL_PATH
    )
    await lab.until(lambda: (lab.replication(east).copy_percent or 0) > 5, "it has begun")
    await lab.lose_power("East")
    east = await lab.boot("East")
    assert lab.state(east) == "Primary Error"
    await east.stop_initial_replication(lab.host(east), lab.vm(east), "c-stop")
    name = await export(lab)
    carry(folder(lab), folder(lab, "West"))
    await import_(lab, name)
    await lab.in_state(east, ReplicationState.REPLICATING)


async def test_a_loss_of_power_keeps_a_finished_export_and_what_waits_for_it(lab: Lab) -> None:
    grant(lab)
    await lab.enable()
    name = await export(lab)
    await lab.cycle()
    for site in ("East", "West"):
        await lab.lose_power(site)
        await lab.boot(site)
    assert exported(lab)
    assert lab.state(lab.west) == "Replica WaitingForInitialReplication"
    assert lab.replication(lab.west).log.stored >= 1
    carry(folder(lab), folder(lab, "West"))
    await import_(lab, name)
    # What the guest wrote when power was lost is in no log: only comparing finds it.
    await lab.in_state(lab.east, ReplicationState.WAITING_FOR_START_RESYNCHRONIZE)
    east = lab.east
    await east.resume_replication(lab.host(east), lab.vm(east), "c-resync", resynchronize=True)
    await lab.in_state(east, ReplicationState.REPLICATING)
    await east.stop_vm(lab.host(east), lab.vm(east), None)
    await lab.cycle()
    assert lab.bytes_of(east) == lab.bytes_of(lab.west)


async def test_an_import_cut_short_by_a_loss_of_power_is_done_again(lab: Lab) -> None:
    grant(lab)
    await lab.enable()
    name = await export(lab)
    carry(folder(lab), folder(lab, "West"))
    west = lab.west
    west.faults.bandwidth_bytes_per_second = 1024 * 1024
    import_runs = lab.west.runtime(lab.vm(west))
    caller = asyncio.create_task(import_(lab, name))
    await lab.until(lambda: (lab.replication(west).copy_percent or 0) > 5, "it has begun")
    with pytest.raises(HyperVError):
        await import_(lab, name)
    await lab.lose_power("West")
    assert import_runs.import_task is not None
    caller.cancel()
    west = await lab.boot("West")
    assert lab.state(west) == "Replica WaitingForInitialReplication"
    await import_(lab, name)
    assert lab.state(west) == "Replica Replicating"


async def test_what_is_not_the_whole_export_of_this_replication_is_refused(lab: Lab) -> None:
    grant(lab)
    await lab.enable()
    name = await export(lab)
    with pytest.raises(HyperVError, match="0x80070003"):
        await import_(lab, name)
    carry(folder(lab), folder(lab, "West"))
    carried = folder(lab, "West") / name
    disk = next(carried.glob("*.vhdx"))
    whole = disk.read_bytes()
    disk.write_bytes(whole[:-4096])
    with pytest.raises(HyperVError, match="not whole"):
        await import_(lab, name)
    disk.write_bytes(whole)
    (carried / "export.json").rename(carried / "kept")
    with pytest.raises(HyperVError, match="no complete initial replica"):
        await import_(lab, name)
    (carried / "kept").rename(carried / "export.json")
    lab.replication(lab.west).relationship_id = "another"
    with pytest.raises(HyperVError, match="not of this replication"):
        await import_(lab, name)
    assert "first_copy.import_began" not in [each.effect for each in lab.west.effects.read()]


def add_share(lab: Lab, **changes: object) -> None:
    """A share of the east with every right, changed."""
    east = lab.east
    known = accounts(east)
    host = known.computer(lab.host(east).fqdn)
    rights = {
        name: PathRights(ntfs="FullControl", share="FullControl")
        for name in (known.vmm_service, host)
    }
    paths = TransferPaths(east)
    records = paths.load()
    share = TransferPath(path=str(changes.get("path", SHARE)), rights=rights)
    records.paths.append(share)
    if "account" in changes:
        share.rights[host if changes["account"] == "host" else known.vmm_service] = PathRights(
            ntfs=str(changes.get("ntfs", "FullControl")),
            share=str(changes.get("share", "FullControl")),
        )
    if "services" in changes:
        records.delegations[lab.host(east).fqdn] = Delegation(
            services=list(changes["services"]),  # type: ignore[call-overload]  # a list here
            protocol_transition=bool(changes.get("protocol_transition", True)),
        )
    paths.save(records)


@pytest.mark.spec("OF-2")
@pytest.mark.parametrize(
    "changes",
    [
        {"account": "host", "ntfs": "Modify"},
        {"account": "host", "share": "Read"},
        {"account": "service", "ntfs": "None"},
        {"services": ["cifs/OtherServer", "http/FileServer"]},
        {"services": ["cifs/FileServer"], "protocol_transition": False},
        {"path": r"\\hv-e1\Seed"},
    ],
)
async def test_windows_denies_the_export_when_a_right_is_missing(
    lab: Lab, changes: dict[str, object]
) -> None:
    add_share(lab, **changes)
    await lab.enable()
    east = lab.east
    path = str(changes.get("path", SHARE))
    with pytest.raises(HyperVError) as caught:
        await east.start_initial_replication(
            lab.host(east), lab.vm(east), "c", destination_path=path
        )
    assert caught.value.error_id == "AccessDenied"
    assert "0x80070005" in caught.value.message
    assert lab.state(east) == "Primary ReadyForInitialReplication"
    assert "initial_replication.started" not in [each.effect for each in east.effects.read()]


async def test_a_share_with_every_right_and_delegation_is_written_to(lab: Lab) -> None:
    add_share(lab, services=["cifs/fileserver"])
    await lab.enable()
    east = lab.east
    await east.start_initial_replication(lab.host(east), lab.vm(east), "c", destination_path=SHARE)
    await lab.until(lambda: exported(lab), "the export has ended")


async def test_a_path_that_is_not_there_is_named(lab: Lab) -> None:
    await lab.enable()
    with pytest.raises(HyperVError, match=r"D:\\Nowhere"):
        await lab.east.start_initial_replication(
            lab.host(lab.east), lab.vm(lab.east), "c", destination_path=r"D:\Nowhere"
        )
