"""A machine that was a replica becomes one again: only what differs is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import AuthorizationEntry, VmCheckpoint
from deploy.lab.site.replication_model import (
    ReplicationServerChanges,
    ReplicationSettings,
    ReplicationState,
)
from tests.unit.lab.site.conftest import Lab

pytestmark = pytest.mark.spec("RE-7")


async def former_replica(lab: Lab) -> None:
    """App replicated from east to west; both sides were told to stop, and App went on."""
    await lab.replicate()
    for site in (lab.east, lab.west):
        await site.remove_replication(lab.host(site), lab.vm(site), "c-remove")
    await lab.east.start_vm(lab.host(lab.east), lab.vm(lab.east), None)
    await lab.until(
        lambda: lab.bytes_of(lab.east) != lab.bytes_of(lab.west), "the guest has written"
    )


async def as_replica(lab: Lab, allowed: str | None = None) -> None:
    west = lab.west
    settings = ReplicationSettings(
        as_replica=True, allowed_primary_server=allowed or lab.host(lab.east).fqdn
    )
    await west.enable_replication(lab.host(west), lab.vm(west), settings, "c-as-replica")


async def copy(lab: Lab, *, use_backup: bool) -> int:
    """The first copy to its end; gives how many bytes were sent for it."""
    east = lab.east
    before = east.sent_bytes
    await east.start_initial_replication(
        lab.host(east), lab.vm(east), "c-ir", use_backup=use_backup
    )
    await lab.in_state(lab.west, ReplicationState.REPLICATING)
    await lab.in_state(east, ReplicationState.REPLICATING)
    return east.sent_bytes - before


async def test_only_the_blocks_that_differ_are_sent(lab: Lab) -> None:
    await former_replica(lab)
    await as_replica(lab)
    assert lab.state(lab.west) == "Replica WaitingForInitialReplication"
    await lab.enable()
    sent = await copy(lab, use_backup=True)
    total = sum(each.size_bytes for each in lab.vm(lab.east).disks)
    assert sent < total // 4
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), None)
    await lab.cycle()
    assert lab.bytes_of(lab.east) == lab.bytes_of(lab.west)


async def test_without_being_asked_the_copy_that_is_there_is_not_used(lab: Lab) -> None:
    await former_replica(lab)
    await as_replica(lab)
    await lab.enable()
    # Counted before: the guest goes on writing while the copy runs.
    filled = sum(
        sum(1 for at in range(0, len(content), 131072) if any(content[at : at + 131072]))
        for content in lab.bytes_of(lab.east)
    )
    sent = await copy(lab, use_backup=False)
    assert sent >= filled * 131072


async def test_there_must_be_a_copy_to_use(lab: Lab) -> None:
    await lab.enable()
    with pytest.raises(HyperVError, match="no copy"):
        await copy(lab, use_backup=True)
    assert lab.state(lab.east) == "Primary ReadyForInitialReplication"


@pytest.mark.parametrize("difference", ["size", "name", "missing"])
async def test_a_copy_with_other_disks_is_refused(lab: Lab, difference: str) -> None:
    await former_replica(lab)
    await as_replica(lab)
    disk = lab.vm(lab.west).disks[1]
    if difference == "size":
        disk.size_bytes += 1024**2
    elif difference == "name":
        disk.path = disk.path.replace(".vhdx", ".vhd")
    else:
        lab.vm(lab.west).disks.remove(disk)
    with pytest.raises(HyperVError) as caught:
        await lab.enable()
    assert caught.value.error_id == "OperationFailed"
    assert lab.vm(lab.east).replication is None


async def test_a_copy_waits_for_the_primary_server_it_was_told(lab: Lab) -> None:
    await former_replica(lab)
    await as_replica(lab, "hv-other.contoso.com")
    with pytest.raises(HyperVError, match="does not allow the primary server"):
        await lab.enable()


@pytest.mark.parametrize("why", ["running", "checkpoint", "replica"])
async def test_a_machine_that_cannot_be_a_replica_is_refused(lab: Lab, why: str) -> None:
    await former_replica(lab)
    west = lab.west
    if why == "running":
        await west.start_vm(lab.host(west), lab.vm(west), None)
    elif why == "checkpoint":
        lab.vm(west).checkpoints.append(
            VmCheckpoint(id=str(uuid4()), name="before the update", created=datetime.now(UTC))
        )
    else:
        await as_replica(lab)
    with pytest.raises(HyperVError) as caught:
        await as_replica(lab)
    assert caught.value.error_id == "InvalidState"


@pytest.mark.spec("RE-6")
async def test_a_replica_is_told_by_which_entry_its_primary_sends(lab: Lab) -> None:
    """The replica was made while any server was allowed; then only listed ones are."""
    await lab.replicate()
    west = lab.west
    east_host = lab.host(lab.east).fqdn
    await west.set_replication_server(
        lab.host(west), ReplicationServerChanges(allow_any_server=False), "c"
    )
    entry = AuthorizationEntry(
        allowed_primary_server=east_host, replica_storage_location=r"C:\Replicas", trust_group="osr"
    )
    await west.add_authorization_entry(lab.host(west), entry, "c")
    lab.east.runtime(lab.vm(lab.east)).changed.set()
    await lab.in_state(lab.east, ReplicationState.ERROR)

    for _ in range(2):
        await west.set_replication(
            lab.host(west),
            lab.vm(west),
            ReplicationSettings(allowed_primary_server=east_host),
            "c-allowed",
        )
    changed = [each for each in west.effects.read() if each.effect == "replication.changed"]
    assert len(changed) == 1
    await lab.east.resume_replication(lab.host(lab.east), lab.vm(lab.east), "c-resume")
    await lab.cycle()


@pytest.mark.spec("RE-6")
async def test_a_replica_takes_no_other_setting_and_no_unlisted_server(lab: Lab) -> None:
    await lab.replicate()
    west = lab.west
    for settings in (
        ReplicationSettings(frequency_seconds=300),
        ReplicationSettings(allowed_primary_server="hv-e1.contoso.com", frequency_seconds=300),
    ):
        with pytest.raises(HyperVError):
            await west.set_replication(lab.host(west), lab.vm(west), settings, "c")
    await west.set_replication_server(
        lab.host(west), ReplicationServerChanges(allow_any_server=False), "c"
    )
    with pytest.raises(HyperVError, match="no authorization entry"):
        await west.set_replication(
            lab.host(west),
            lab.vm(west),
            ReplicationSettings(allowed_primary_server="hv-e1.contoso.com"),
            "c",
        )
