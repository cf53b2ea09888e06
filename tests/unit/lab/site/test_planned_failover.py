from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import ledger
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import VMState
from deploy.lab.site.replication_model import (
    ReplicationHealth,
    ReplicationSettings,
    ReplicationType,
)

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab


async def prepared(lab: Lab) -> None:
    east = lab.east
    host, vm = lab.host(east), lab.vm(east)
    await east.stop_vm(host, vm, "c-stop")
    await east.prepare_failover(host, vm, "c-prepare")


async def test_planned_failover_and_the_way_back_lose_no_byte(lab: Lab) -> None:
    await lab.replicate()
    east, west = lab.east, lab.west
    await prepared(lab)
    assert lab.bytes_of(east) == lab.bytes_of(west)

    replica = lab.vm(west)
    await west.start_failover(lab.host(west), replica, "c-failover")
    assert lab.state(west) == "Replica FailedOverWaitingCompletion"
    assert lab.replication(west).failed_over_type is ReplicationType.PLANNED
    assert replica.state is VMState.OFF
    source = lab.bytes_of(east)

    # The guest runs before the reverse: what it writes must come back all the same.
    await west.start_vm(lab.host(west), replica, "c-start")
    last, _ = east.witness(lab.vm(east)).last()
    assert replica.boot_ledger_last == last
    guest = west.runtime(replica).guest
    assert guest is not None
    await guest.write_record()
    assert lab.bytes_of(west) != source

    await west.reverse_replication(lab.host(west), replica, ReplicationSettings(), "c-reverse")
    assert lab.state(west) == "Primary Replicating"
    assert lab.state(east) == "Replica Replicating"
    await lab.cycle(west)

    # And back again.
    await west.stop_vm(lab.host(west), replica, "c-stop-2")
    await west.prepare_failover(lab.host(west), replica, "c-prepare-2")
    assert lab.bytes_of(east) == lab.bytes_of(west)
    primary = lab.vm(east)
    await east.start_failover(lab.host(east), primary, "c-failover-2")
    await east.reverse_replication(lab.host(east), primary, ReplicationSettings(), "c-reverse-2")
    await east.start_vm(lab.host(east), primary, "c-start-2")
    assert primary.boot_ledger_last == west.witness(lab.vm(west)).last()[0]
    reading = ledger.read(east.folder / primary.disks[0].file)
    assert reading.gaps == 0
    await lab.cycle(east)
    assert east.replication_health(primary) is ReplicationHealth.NORMAL


async def test_prepare_is_refused_while_the_vm_runs(lab: Lab) -> None:
    await lab.replicate()
    before = len(lab.east.effects.read())
    with pytest.raises(HyperVError, match="not off"):
        await lab.east.prepare_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    assert len(lab.east.effects.read()) == before


async def test_a_prepared_primary_does_not_start_until_it_is_cancelled(lab: Lab) -> None:
    await lab.replicate()
    await prepared(lab)
    east = lab.east
    with pytest.raises(HyperVError, match="prepared for planned failover"):
        await east.start_vm(lab.host(east), lab.vm(east), "c")
    await east.cancel_failover(lab.host(east), lab.vm(east), "c")
    await east.start_vm(lab.host(east), lab.vm(east), "c")
    assert lab.vm(east).state is VMState.RUNNING
    await lab.cycle()


async def test_a_replica_does_not_start_before_failover(lab: Lab) -> None:
    await lab.replicate()
    with pytest.raises(HyperVError, match="has not been failed over"):
        await lab.west.start_vm(lab.host(lab.west), lab.vm(lab.west), "c")


async def test_reverse_is_refused_when_the_old_primary_does_not_authorise(lab: Lab) -> None:
    await lab.replicate()
    await prepared(lab)
    east, west = lab.east, lab.west
    lab.host(east).replication_server.allow_any_server = False
    await west.start_failover(lab.host(west), lab.vm(west), "c")
    with pytest.raises(HyperVError, match="does not allow replication"):
        await west.reverse_replication(lab.host(west), lab.vm(west), ReplicationSettings(), "c")
    assert lab.state(west) == "Replica FailedOverWaitingCompletion"


async def test_a_cancelled_failover_puts_the_newest_disks_back(lab: Lab) -> None:
    await lab.replicate()
    await prepared(lab)
    west = lab.west
    before = lab.bytes_of(west)
    await west.start_failover(lab.host(west), lab.vm(west), "c")
    await west.start_vm(lab.host(west), lab.vm(west), "c")
    guest = west.runtime(lab.vm(west)).guest
    assert guest is not None
    await guest.write_record()
    await west.cancel_failover(lab.host(west), lab.vm(west), "c")
    assert lab.bytes_of(west) == before
    assert lab.vm(west).state is VMState.OFF
    await lab.east.cancel_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.cycle()
    assert lab.bytes_of(west) == lab.bytes_of(lab.east)


async def test_complete_then_reverse_needs_no_new_copy(lab: Lab) -> None:
    await lab.replicate()
    await prepared(lab)
    west = lab.west
    await west.start_failover(lab.host(west), lab.vm(west), "c")
    await west.complete_failover(lab.host(west), lab.vm(west), "c")
    assert lab.state(west) == "Replica FailedOver"
    with pytest.raises(HyperVError):
        await west.cancel_failover(lab.host(west), lab.vm(west), "c")
    await west.reverse_replication(lab.host(west), lab.vm(west), ReplicationSettings(), "c")
    await lab.cycle(west)
    assert lab.bytes_of(west) == lab.bytes_of(lab.east)


async def test_effects_name_the_command_that_caused_them(lab: Lab) -> None:
    await lab.replicate()
    await prepared(lab)
    effects = [(each.effect, each.command_id) for each in lab.east.effects.read()]
    assert effects.count(("failover.prepared", "c-prepare")) == 1
    assert ("vm.stopped", "c-stop") in effects
    assert ("replica.created", "c-enable") in [
        (each.effect, each.command_id) for each in lab.west.effects.read()
    ]
