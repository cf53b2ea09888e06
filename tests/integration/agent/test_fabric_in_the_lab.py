"""Discovery and reading of replication against the lab's PowerShell and a simulated site."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from agent.fabric.discovery import read_inventory
from agent.fabric.host_replication import read_host_replication
from agent.fabric.inventory import Inventory
from agent.fabric.replication_state import read_replication
from agent.powershell.cmdlet import cmdlet
from agent.powershell.errors import PowerShellFailure
from agent.powershell.failures import to_failure
from agent.powershell.pool import PowerShellPool
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.lab_powershell import LabPowerShells

HOST = "hv-e1.contoso.com"
TOPOLOGY = r"""
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
logical_networks = ["LN"]
storage_classifications = [{ name = "GOLD", description = "SSD" }]
volumes = [{ path = 'C:\ClusterStorage\V1', classification = "GOLD" }]
file_shares = [{ name = "Share1", path = '\\FileServer\Share1', classification = "GOLD" }]
[[sites.vm_networks]]
name = "VMN"
logical_network = "LN"
subnets = [{ name = "S", subnet = "10.0.0.0/24", vlan = 7, pool = ["10.0.0.10", "10.0.0.99"] }]
[[sites.clouds]]
name = "Gold"
hosts = ["hv-e1.contoso.com"]
logical_networks = ["LN"]
storage_classifications = ["GOLD"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
networks = [{ network = "VMN", subnet = "S", ip = "10.0.0.10" }]
disks = [{ path = 'C:\ClusterStorage\V1', mib = 3 }, { path = 'C:\ClusterStorage\V1', mib = 4 }]
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    environment = Environment(state_dir=tmp_path, random=random.Random(1))
    site = open_site(parse_topology(TOPOLOGY), "East", environment)
    await boot(site)
    yield site
    await shut_down(site)


@pytest.fixture
async def pool(site: Site) -> AsyncIterator[PowerShellPool]:
    shells = LabPowerShells(site)
    made = PowerShellPool(shells.start)
    yield made
    await made.close()
    assert [shell.killed_for for shell in shells.started if shell.killed_for] == []


def of_kind(inventory: Inventory, kind: str) -> list[object]:
    return [getattr(item, kind) for key, item in inventory.items() if key.kind == kind]


@pytest.mark.spec("DI-1")
async def test_the_whole_fabric_is_discovered(site: Site, pool: PowerShellPool) -> None:
    inventory = await read_inventory(pool)
    counts = {key.kind: 0 for key in inventory}
    for key in inventory:
        counts[key.kind] += 1
    assert counts == {
        "cloud": 1,
        "host": 1,
        "vm_network": 1,
        "logical_network": 1,
        "static_address_pool": 1,
        "storage_classification": 1,
        "storage_location": 3,
        "virtual_machine": 1,
        "vmm_server": 1,
        "host_group": 2,
        "capability_profile": 1,
    }
    known = site.vm(site.host(HOST), name="App")
    [machine] = [
        item.virtual_machine for key, item in inventory.items() if key.kind == "virtual_machine"
    ]
    [network] = [item.vm_network for key, item in inventory.items() if key.kind == "vm_network"]
    assert (machine.vm_id, machine.id) == (known.vm_id.lower(), known.vmm_id.lower())
    assert (machine.host_fqdn, machine.state) == (HOST, "Running")
    assert [disk.path for disk in machine.disks] == [disk.path for disk in known.disks]
    assert [disk.classification for disk in machine.disks] == ["GOLD", "GOLD"]
    [adapter] = machine.adapters
    assert adapter.vm_network_id == network.id
    assert adapter.vm_subnet == network.subnets[0].name == "S"
    assert network.subnets[0].vlan_id == 7
    locations = [
        item.storage_location for key, item in inventory.items() if key.kind == "storage_location"
    ]
    assert all(list(location.host_fqdns) == [HOST] for location in locations)


async def test_two_looks_see_the_same(pool: PowerShellPool) -> None:
    first = await read_inventory(pool)
    for kind in ("cloud", "vm_network", "virtual_machine", "static_address_pool"):
        assert of_kind(first, kind) == of_kind(await read_inventory(pool), kind)


async def test_replication_of_a_machine_without_any_is_disabled(
    site: Site, pool: PowerShellPool
) -> None:
    vm_id = site.vm(site.host(HOST), name="App").vm_id
    state = await read_replication(pool, vm_id, HOST)
    assert (state.mode, state.state, state.vm_state) == ("None", "Disabled", "Running")
    [same] = await read_host_replication(pool, HOST, {vm_id}, time_limit_seconds=10)
    # A look at the whole host tells of the host too, and of the machine the same.
    assert same.HasField("host_booted_at")
    same.ClearField("host_booted_at")
    assert same == state


async def test_an_unknown_machine_fails_with_hyper_vs_own_words(pool: PowerShellPool) -> None:
    with pytest.raises(PowerShellFailure) as caught:
        await read_replication(pool, UUID(int=5), HOST)
    failure = to_failure(caught.value)
    assert failure.code == "VirtualMachineNotFound"
    assert failure.powershell.cmdlet == "Get-VM"
    assert failure.powershell.error_id.endswith("Microsoft.HyperV.PowerShell.Commands.GetVM")


async def test_a_parameter_that_does_not_exist_is_refused_by_the_lab(pool: PowerShellPool) -> None:
    with pytest.raises(PowerShellFailure) as caught:
        await pool.run(cmdlet("Get-VM", Nmae="App"), time_limit_seconds=10)
    assert to_failure(caught.value).code == "CmdletRefusedParameters"
