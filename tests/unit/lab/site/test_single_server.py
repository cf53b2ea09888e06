"""One VMM server: primary and replica at one site, on hosts of two clouds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.ledger import read
from deploy.lab.site.links import LinkRule
from deploy.lab.site.model import VirtualMachine, VMState
from deploy.lab.site.power import boot, lose_power, open_site, shut_down
from deploy.lab.site.replication_model import (
    Authentication,
    ReplicationServerChanges,
    ReplicationSettings,
    ReplicationState,
)
from deploy.lab.site.replicator import send_now
from deploy.lab.site.site import Site
from deploy.lab.site.topology import find_topology, load_topology
from tests.unit.lab.site.conftest import until

PRIMARY, REPLICA = "hv-p1.contoso.com", "hv-s1.contoso.com"


async def booted(folder: Path) -> Site:
    environment = Environment(
        state_dir=folder, clock=SiteClock(10.0), random=random.Random(1), connect_timeout_seconds=2
    )
    topology = load_topology(find_topology("single-server"))
    site = open_site(topology, "Contoso", environment)
    await boot(site)
    return site


def copy(site: Site, fqdn: str) -> VirtualMachine:
    return site.find_vm("App1", fqdn)


def state(site: Site, fqdn: str) -> ReplicationState | None:
    replication = copy(site, fqdn).replication
    return None if replication is None else replication.state


async def replicated(site: Site) -> None:
    for fqdn in (PRIMARY, REPLICA):
        host = site.host(fqdn)
        await site.set_replication_server(
            host,
            ReplicationServerChanges(
                enabled=True,
                authentication="Kerberos",
                kerberos_port=8083,
                allow_any_server=True,
                default_storage_location=r"C:\Replicas",
            ),
            "c",
        )
        await site.open_firewall_port(host, 8083, "c")
    settings = ReplicationSettings(
        replica_server=REPLICA,
        port=8083,
        authentication=Authentication.KERBEROS,
        frequency_seconds=30,
    )
    host, vm = site.host(PRIMARY), copy(site, PRIMARY)
    await site.enable_replication(host, vm, settings, "c")
    await site.start_initial_replication(host, vm, "c")
    await until(
        lambda: (
            state(site, PRIMARY) is ReplicationState.REPLICATING
            and state(site, REPLICA) is ReplicationState.REPLICATING
        ),
        "both replicate",
    )


@pytest.mark.spec("SS-1")
async def test_a_machine_replicates_between_hosts_of_one_server_and_fails_over(
    tmp_path: Path,
) -> None:
    site = await booted(tmp_path)
    await replicated(site)
    assert site.find_vm("App1").host_fqdn == PRIMARY  # the one that runs is meant
    primary, replica = copy(site, PRIMARY), copy(site, REPLICA)
    assert primary.vm_id == replica.vm_id
    assert primary.vmm_id != replica.vmm_id
    await site.stop_vm(site.host(PRIMARY), primary, "c")
    written = site.witness(primary).last()[0]
    await site.prepare_failover(site.host(PRIMARY), primary, "c")
    await site.start_failover(site.host(REPLICA), replica, "c")
    await site.start_vm(site.host(REPLICA), replica, "c")
    assert replica.boot_ledger_last == written
    await until(lambda: site.witness(replica).last()[0] > written, "the replica's guest writes")
    assert site.witness(primary).last()[0] == written
    await site.reverse_replication(site.host(REPLICA), replica, ReplicationSettings(), "c")
    assert state(site, PRIMARY) is ReplicationState.REPLICATING
    assert site.find_vm("App1").host_fqdn == REPLICA
    await shut_down(site)
    assert read(site.folder / replica.disks[0].file).gaps == 0


async def test_both_copies_come_back_after_the_server_lost_its_power(tmp_path: Path) -> None:
    site = await booted(tmp_path)
    await replicated(site)
    await lose_power(site)
    site = await booted(tmp_path)
    assert copy(site, PRIMARY).state is VMState.RUNNING
    assert copy(site, REPLICA).state is VMState.OFF
    assert state(site, PRIMARY) is ReplicationState.WAITING_FOR_START_RESYNCHRONIZE
    await shut_down(site)


async def test_a_partition_between_two_hosts_of_one_site_is_one(tmp_path: Path) -> None:
    site = await booted(tmp_path)
    await replicated(site)
    site.links.add(LinkRule(source=PRIMARY, target=REPLICA, cut=True))
    vm = copy(site, PRIMARY)
    send_now(site, vm)
    await until(lambda: vm.replication is not None and vm.replication.log.failures > 0, "it fails")
    site.links.clear()
    send_now(site, vm)
    await until(lambda: vm.replication is not None and not vm.replication.log.failures, "it heals")
    await shut_down(site)
