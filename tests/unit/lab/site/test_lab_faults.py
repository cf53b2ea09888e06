"""What Hyper-V does when hosts crash, clocks are wrong, storage is full or gone, links are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import certificates, host_operations, host_power, storage_outages
from deploy.lab.site.admin_machines import machine_requests
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.links import LinkRule
from deploy.lab.site.model import VirtualMachine, VMState
from deploy.lab.site.power import shut_down
from deploy.lab.site.replication_model import ReplicationHealth, ReplicationState
from deploy.lab.site.replicator import send_now
from deploy.lab.site.site import Site

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab

SHARE = r"\\fs.contoso.com\vms"


async def failed(lab: Lab, text: str) -> None:
    """Cycles fail, and one says so.

    The first may have been under way already and say how its own connection ended, so another
    one is sent until the words appear.
    """

    def failed_so() -> bool:
        replication = lab.replication(lab.east)
        if replication.statistics.errors > before and text in replication.last_error:
            return True
        send_now(lab.east, lab.vm(lab.east))
        return False

    before = lab.replication(lab.east).statistics.errors
    await lab.until(failed_so, f"a cycle failed, saying {text}")


def state_of(vm: VirtualMachine) -> str:
    return vm.state.value


def health(lab: Lab, site: Site) -> ReplicationHealth:
    return site.replication_health(lab.vm(site))


async def test_a_partition_of_two_hosts_is_recoverable_and_heals(lab: Lab) -> None:
    await lab.replicate()
    ends = (lab.host(lab.east).fqdn, lab.host(lab.west).fqdn)
    lab.east.links.add(LinkRule(source=ends[0], target=ends[1], cut=True))
    await failed(lab, "0x00002EF")
    assert lab.state(lab.east) == "Primary Replicating"
    assert health(lab, lab.east) is ReplicationHealth.CRITICAL
    lab.east.links.remove(*ends)
    await lab.cycle()
    assert health(lab, lab.east) is not ReplicationHealth.CRITICAL


async def test_a_one_way_partition_stops_connections_of_one_side_only(lab: Lab) -> None:
    rule = LinkRule(source="West", target="East", one_way=True, cut=True)
    lab.east.links.add(rule)
    await lab.replicate()
    lab.east.links.add(LinkRule(source="East", target="West", one_way=True, cut=True))
    await failed(lab, "0x00002EF")


async def test_a_slow_link_makes_a_copy_take_its_time(lab: Lab) -> None:
    lab.east.links.add(LinkRule(source="East", target="West", bytes_per_second=400_000))
    await lab.enable()
    east = lab.east
    await east.start_initial_replication(lab.host(east), lab.vm(east), "c")
    await lab.until(lambda: 0 < (lab.replication(east).copy_percent or 0) < 100, "progress shows")
    lab.east.links.clear()
    await lab.in_state(east, ReplicationState.REPLICATING)


async def test_a_full_volume_of_the_replica_is_recoverable(lab: Lab) -> None:
    await lab.replicate()
    lab.west.faults.set_full_place("C:\\", full=True)
    await failed(lab, "not enough space")
    assert lab.state(lab.east) == "Primary Replicating"
    lab.west.faults.set_full_place("c:", full=False)
    await lab.cycle()


async def test_a_full_volume_of_the_primary_ends_tracking(lab: Lab) -> None:
    await lab.replicate()
    lab.east.faults.set_full_place(r"C:\ClusterStorage\V1", full=True)
    await lab.in_state(lab.east, ReplicationState.WAITING_FOR_START_RESYNCHRONIZE)
    assert not lab.replication(lab.east).log.tracking
    assert health(lab, lab.east) is ReplicationHealth.CRITICAL
    lab.east.faults.set_full_place(r"C:\ClusterStorage\V1", full=False)
    await lab.east.resume_replication(lab.host(lab.east), lab.vm(lab.east), "c", resynchronize=True)
    await lab.in_state(lab.east, ReplicationState.REPLICATING)


async def test_full_storage_stays_full_when_the_site_lost_its_power(lab: Lab) -> None:
    lab.west.faults.set_full_place("C:\\", full=True)
    lab.west.faults.vmm_down = True
    await lab.lose_power("West")
    west = await lab.boot("West")
    assert west.faults.is_full(lab.host(west).fqdn, r"C:\Replicas\x.vhdx")
    assert not west.faults.vmm_down


async def test_a_burst_over_half_of_the_disks_makes_a_resynchronisation_necessary(lab: Lab) -> None:
    await lab.replicate()
    await machine_requests(lab.east)["fill_log"]({"vm": "App"})
    assert lab.state(lab.east) == "Primary WaitingForStartResynchronize"
    await lab.east.resume_replication(lab.host(lab.east), lab.vm(lab.east), "c", resynchronize=True)
    await lab.in_state(lab.east, ReplicationState.REPLICATING)
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.east.prepare_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    assert lab.bytes_of(lab.east) == lab.bytes_of(lab.west)


async def test_a_crashed_primary_host_boots_and_needs_a_resynchronisation(lab: Lab) -> None:
    await lab.replicate()
    east, vm, host = lab.east, lab.vm(lab.east), lab.host(lab.east)
    written = east.witness(vm).last()[0]
    await host_power.crash(east, host)
    with pytest.raises(HyperVError, match="not found"):
        east.host(host.fqdn)
    with pytest.raises(HyperVError, match="no power already"):
        await host_power.crash(east, host)
    await host_power.boot(east, host)
    assert vm.state is VMState.RUNNING
    assert (vm.boot_ledger_last or 0) >= written
    assert lab.state(east) == "Primary WaitingForStartResynchronize"
    await east.resume_replication(host, vm, "c", resynchronize=True)
    await lab.in_state(east, ReplicationState.REPLICATING)


async def test_a_crashed_replica_host_is_a_server_that_is_not_there(lab: Lab) -> None:
    await lab.replicate()
    west, host = lab.west, lab.host(lab.west)
    await host_power.crash(west, host)
    await failed(lab, "0x00002EFD")
    assert lab.state(lab.east) == "Primary Replicating"
    await host_power.boot(west, host)
    await lab.cycle()
    assert lab.state(west) == "Replica Replicating"


async def test_a_host_that_crashed_stays_off_over_a_restart_of_its_site(lab: Lab) -> None:
    await lab.replicate()
    await host_power.crash(lab.east, lab.host(lab.east))
    await shut_down(lab.sites.pop("East"))
    east = await lab.boot("East")
    host = lab.host(east)
    assert not host.powered
    assert east.runtime(east.find_vm("App")).guest is None
    await host_power.boot(east, host)
    # Its logs were not closed, however orderly the rest of the site was shut down since.
    assert lab.state(east) == "Primary WaitingForStartResynchronize"


async def test_a_certificate_that_was_removed_is_for_somebody_to_mend(lab: Lab) -> None:
    await lab.replicate()
    host = lab.host(lab.west)
    await lab.west.remove_certificate(host, lab.thumbprints["West"], None)
    assert host.replication_server.operational_status == "Error"
    await failed(lab, "0x00002EFD")
    await lab.east.remove_certificate(lab.host(lab.east), lab.thumbprints["East"], None)
    send_now(lab.east, lab.vm(lab.east))
    await lab.in_state(lab.east, ReplicationState.ERROR)
    assert health(lab, lab.east) is ReplicationHealth.CRITICAL
    assert certificates.CertificateStore(lab.east.host_folder(lab.host(lab.east))).personal() == ()


@pytest.mark.parametrize("years", [-5, 5])
async def test_a_host_whose_clock_is_far_off_takes_good_certificates_for_bad_ones(
    lab: Lab, years: int
) -> None:
    await lab.replicate()
    east, host = lab.east, lab.host(lab.east)
    host_operations.set_clock_skew(east, host, years * 365 * 86400.0)
    await lab.in_state(east, ReplicationState.ERROR)
    assert "expired or is not yet valid" in lab.replication(east).last_error
    with pytest.raises(HyperVError, match="expired or is not yet valid"):
        await lab.receive(east)
    await lab.lose_power("East")
    east = await lab.boot("East")  # a clock is as wrong after a restart
    assert lab.host(east).clock_skew_seconds == years * 365 * 86400.0


async def test_a_clock_that_is_a_little_off_shifts_what_the_host_says(lab: Lab) -> None:
    host_operations.set_clock_skew(lab.west, lab.host(lab.west), 7200.0)
    await lab.replicate(recovery_history=2)
    primary, replica = lab.replication(lab.east), lab.replication(lab.west)
    assert primary.last_replication_time is not None
    assert replica.last_replication_time is not None
    ahead = replica.last_replication_time - primary.last_replication_time
    assert 7000 < ahead.total_seconds() < 7400
    assert (replica.recovery_points[0].created - primary.last_replication_time).seconds > 7000


async def test_machines_on_a_share_that_went_away_stand_still_until_it_is_back(lab: Lab) -> None:
    east, vm, host = lab.east, lab.vm(lab.east), lab.host(lab.east)
    await lab.replicate()
    for disk in vm.disks:
        disk.path = disk.path.replace(r"C:\ClusterStorage\V1", SHARE)
    await storage_outages.lose_share(east, SHARE)
    assert state_of(vm) == "Paused"
    written = east.witness(vm).last()[0]
    await lab.in_state(east, ReplicationState.ERROR)
    assert "0x80070035" in lab.replication(east).last_error
    assert east.witness(vm).last()[0] == written
    await storage_outages.find_share(east, SHARE)
    assert state_of(vm) == "Running"
    await east.resume_replication(host, vm, "c")
    await lab.cycle()
    await east.stop_vm(host, vm, "c")
    await storage_outages.lose_share(east, SHARE)
    with pytest.raises(HyperVError, match="0x80070035"):
        await east.start_vm(host, vm, "c")


async def test_a_replicas_share_that_went_away_is_for_somebody_to_mend(lab: Lab) -> None:
    await lab.replicate()
    for disk in lab.vm(lab.west).disks:
        disk.path = disk.path.replace(r"C:\Replicas", SHARE)
    await storage_outages.lose_share(lab.west, SHARE)
    send_now(lab.east, lab.vm(lab.east))
    await lab.in_state(lab.east, ReplicationState.ERROR)


async def test_a_primary_that_is_paused_replicates_and_a_saved_one_goes_on_where_it_was(
    lab: Lab,
) -> None:
    await lab.replicate()
    east = lab.east
    power = machine_requests(east)["power"]
    assert await power({"vm": "App", "to": "pause"}) == "Paused"
    await lab.cycle()
    written = east.witness(lab.vm(east)).last()[0]
    with pytest.raises(HyperVError, match="current state"):
        await power({"vm": "App", "to": "shutdown"})
    with pytest.raises(HyperVError, match="current state"):
        await power({"vm": "App", "to": "start"})
    assert await power({"vm": "App", "to": "save"}) == "Saved"
    saved = east.witness(lab.vm(east)).last()[0]
    assert saved <= written + 1
    with pytest.raises(HyperVError, match="not off"):
        await east.prepare_failover(lab.host(east), lab.vm(east), "c")
    await lab.lose_power("East")
    east = await lab.boot("East")
    assert lab.vm(east).state is VMState.SAVED  # memory is on disk
    assert lab.state(east) == "Primary Replicating"
    await machine_requests(east)["power"]({"vm": "App", "to": "start"})
    await lab.until(lambda: east.witness(lab.vm(east)).last()[0] > saved, "the guest goes on")
    effects = [each.effect for each in east.effects.read()]
    assert [each for each in effects if each.startswith("vm.")][-3:] == [
        "vm.paused",
        "vm.saved",
        "vm.restored",
    ]


async def test_hosts_crash_in_the_middle_of_everything_without_tearing_a_replica(lab: Lab) -> None:
    await lab.replicate(recovery_history=2)
    for _ in range(3):
        send_now(lab.east, lab.vm(lab.east))
        await host_power.crash(lab.west, lab.host(lab.west))
        await host_power.boot(lab.west, lab.host(lab.west))
    await lab.cycle()
    await lab.east.stop_vm(lab.host(lab.east), lab.vm(lab.east), "c")
    await lab.east.prepare_failover(lab.host(lab.east), lab.vm(lab.east), "c")
    assert lab.bytes_of(lab.east) == lab.bytes_of(lab.west)
