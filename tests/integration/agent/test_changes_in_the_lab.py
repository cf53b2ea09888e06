"""What an administrator does in VMM is seen by the next look, at the cost of the change."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.discovery import Vmm
from agent.fabric.reader import FabricReader
from agent.powershell.pool import PowerShellPool
from deploy.lab.site import live_migration, machine_operations
from deploy.lab.site.environment import Environment
from deploy.lab.site.model import VirtualMachine
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import find_topology, load_topology, parse_topology
from tests.integration.agent.lab_powershell import LabPowerShells

pytestmark = pytest.mark.spec("DI-2", "DI-1")

TOPOLOGY = r"""
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
logical_networks = ["LN"]
storage_classifications = [{ name = "GOLD", description = "SSD" }]
volumes = [{ path = 'D:\VMs', classification = "GOLD" }]
[[sites.vm_networks]]
name = "VMN"
logical_network = "LN"
subnets = [{ name = "S", subnet = "10.0.0.0/24" }]
[[sites.clouds]]
name = "Gold"
hosts = ["hv-e1.contoso.com", "hv-e2.contoso.com"]
logical_networks = ["LN"]
storage_classifications = ["GOLD"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
running = false
networks = [{ network = "VMN", subnet = "S", ip = "10.0.0.10" }]
disks = [{ path = 'D:\VMs', mib = 3 }]
[[sites.clouds.vms]]
name = "Other"
host = "hv-e1.contoso.com"
running = false
disks = [{ path = 'D:\VMs', mib = 3 }]
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    environment = Environment(state_dir=tmp_path, random=random.Random(1))
    site = open_site(parse_topology(TOPOLOGY), "East", environment)
    await boot(site)
    yield site
    await shut_down(site)


@pytest.fixture
async def reader(site: Site) -> AsyncIterator[FabricReader]:
    pool = PowerShellPool(LabPowerShells(site).start)
    yield FabricReader(Vmm(pool))
    await pool.close()


def app(site: Site) -> VirtualMachine:
    return site.find_vm("App")


async def machines(reader: FabricReader) -> dict[str, inventory_pb2.VirtualMachine]:
    """By Hyper-V's id."""
    inventory = await reader.look()
    found = [
        item.virtual_machine for item in inventory.values() if item.HasField("virtual_machine")
    ]
    return {machine.vm_id: machine for machine in found}


async def test_renamed_moved_out_of_its_cloud_and_migrated_it_is_the_same_machine(
    site: Site, reader: FabricReader
) -> None:
    vm_id = app(site).vm_id
    first = (await machines(reader))[vm_id]
    await machine_operations.rename(site, app(site), "SQL")
    assert (await machines(reader))[vm_id].name == "SQL"
    vm = site.find_vm("SQL")
    await machine_operations.move_to_cloud(site, vm, None)
    assert (await machines(reader))[vm_id].cloud_id == ""
    await live_migration.migrate(site, vm, site.host("hv-e2.contoso.com"), None)
    moved = (await machines(reader))[vm_id]
    assert (moved.host_fqdn, moved.id) == ("hv-e2.contoso.com", first.id)


async def test_a_deleted_machine_is_gone_and_one_made_anew_is_another(
    site: Site, reader: FabricReader
) -> None:
    before = await machines(reader)
    vm_id = app(site).vm_id
    await machine_operations.delete(site, app(site))
    after = await machines(reader)
    assert before.keys() - after.keys() == {vm_id}
    table = {
        "name": "App",
        "host": "hv-e1.contoso.com",
        "running": False,
        "disks": [{"path": "D:\\VMs", "mib": 3}],
    }
    [anew] = await machine_operations.add(site, table, "Gold")
    again = await machines(reader)
    assert again.keys() - after.keys() == {anew.vm_id}
    assert anew.vm_id != vm_id


@pytest.mark.spec("RE-3")
async def test_what_keeps_a_machine_from_being_protected_is_seen(
    site: Site, reader: FabricReader
) -> None:
    vm = app(site)
    plain = (await machines(reader))[vm.vm_id]
    assert not any([plain.fibre_channel, plain.encrypted, plain.runs_vmm, plain.checkpoints])
    assert plain.integration_services_detected
    vm.fibre_channel_adapters = 1
    vm.encrypted = True
    vm.integration_services_version = ""
    vm.name = "vmm-east"
    vm.adapters[0].ip_addresses = ["10.0.0.10", "fe80::1", "2001:db8::5"]
    vm.disks[0].shared = True
    vm.dr_protection_required = True
    site.save_vm(vm)
    await machine_operations.add_checkpoint(site, vm, "before the update")
    seen = (await machines(reader))[vm.vm_id]
    assert seen.fibre_channel
    assert seen.encrypted
    assert not seen.integration_services_detected
    assert seen.runs_vmm
    assert seen.adapters[0].ipv6
    assert seen.shared_storage
    assert seen.dr_protection_required
    assert seen.checkpoints == 1


async def test_a_look_without_changes_reads_no_machine(site: Site, reader: FabricReader) -> None:
    first = await reader.look()
    second = await reader.look()
    kept = {
        key for key, item in second.items() if key.kind == "virtual_machine" and item is first[key]
    }
    assert len(kept) == 2
    assert app(site).vm_id in {second[key].virtual_machine.vm_id for key in kept}


async def test_a_machine_made_highly_available_is_the_same_and_may_move_in_its_cluster(
    tmp_path: Path,
) -> None:
    environment = Environment(state_dir=tmp_path, random=random.Random(1))
    site = open_site(load_topology(find_topology("clusters")), "Shanghai", environment)
    await boot(site)
    pool = PowerShellPool(LabPowerShells(site).start)
    try:
        table = {
            "name": "Plain",
            "host": "sh-node-1.contoso.com",
            "running": False,
            "disks": [{"path": r"C:\ClusterStorage\Volume1", "mib": 3}],
        }
        [vm] = await machine_operations.add(site, table, "ClusterCloud1")
        reader = FabricReader(Vmm(pool))
        before = (await machines(reader))[vm.vm_id]
        assert not before.highly_available
        await machine_operations.make_highly_available(site, vm)
        after = (await machines(reader))[vm.vm_id]
        assert (after.highly_available, after.id) == (True, before.id)
        await live_migration.migrate(site, vm, site.host("sh-node-2.contoso.com"), None)
        moved = (await machines(reader))[vm.vm_id]
        assert (moved.host_fqdn, moved.id) == ("sh-node-2.contoso.com", before.id)
    finally:
        await pool.close()
        await shut_down(site)
