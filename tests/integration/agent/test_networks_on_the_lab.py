"""The verbs of networks, carried out by an agent on a site of the lab."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import network_pb2 as wire
from opensiterecovery.provider.v1.inventory_pb2 import FabricRefreshed, RefreshFabric
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.clock import utc_now
from agent.failures import CommandError
from agent.powershell.errors import PowerShellError
from agent.powershell.pool import PowerShellPool
from agent.verbs.addresses import release_address, reserve_address
from agent.verbs.context import VerbContext
from agent.verbs.fabric import refresh_fabric
from agent.verbs.failover_addresses import write_failover_address
from agent.verbs.network_adapters import connect_network_adapter, read_network_adapters
from deploy.lab.site.environment import Environment
from deploy.lab.site.model import NetworkAdapter, VirtualMachine
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.replication_model import (
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
)
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.lab_powershell import LabPowerShells

HOST = "hv-e1.contoso.com"
TOPOLOGY = r"""
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
logical_networks = ["LN1", "LN2", { name = "WNV", network_virtualization = true }]
volumes = [{ path = 'C:\ClusterStorage\V1' }]
[[sites.vm_networks]]
name = "VMN1"
logical_network = "LN1"
subnets = [
  { name = "Front", subnet = "10.0.0.0/24", vlan = 7, pool = ["10.0.0.10", "10.0.0.12"] },
  { name = "Back", subnet = "10.0.1.0/24" },
]
[[sites.vm_networks]]
name = "VMN2"
logical_network = "LN2"
isolation = "VLANNetwork"
subnets = [{ name = "Front", subnet = "10.2.0.0/24", vlan = 9 }]
[[sites.vm_networks]]
name = "VMN3"
logical_network = "WNV"
isolation = "WindowsNetworkVirtualization"
subnets = [{ name = "Front", subnet = "10.3.0.0/24", pool = ["10.3.0.10", "10.3.0.12"] }]
[[sites.clouds]]
name = "Gold"
hosts = ["hv-e1.contoso.com"]
logical_networks = ["LN1"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
networks = [
  { network = "VMN1", subnet = "Front", ip = "10.0.0.10", static = true },
  { network = "VMN1", subnet = "Back" },
]
disks = [{ path = 'C:\ClusterStorage\V1', mib = 3 }]
"""


class NoKeys:
    """Host keys, of which these verbs need none."""

    def find(self, host: str) -> None:
        del host

    def keep(self, host: str, key: Any) -> Any:
        del host
        return key

    def forget(self, host: str) -> None:
        del host


class Run(Protocol):
    """Carries a verb out, twice: the second time it must find everything done."""

    async def __call__(self, verb: Any, request: Any) -> Any: ...


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    environment = Environment(state_dir=tmp_path, random=random.Random(1))
    site = open_site(parse_topology(TOPOLOGY), "East", environment)
    await boot(site)
    yield site
    await shut_down(site)


@pytest.fixture
async def run(site: Site) -> AsyncIterator[Run]:
    pool = PowerShellPool(LabPowerShells(site).start)
    numbers = iter(range(1, 1000))

    async def once(verb: Any, request: Any) -> Any:
        command_id = UUID(f"{next(numbers):08x}-0000-4000-8000-000000000000")
        context = VerbContext(
            pool.for_command(command_id),
            NoKeys(),
            utc_now,
            command_id,
            utc_now() + timedelta(seconds=30),
            poll_interval_seconds=0.02,
        )
        return await verb(request, context)

    async def twice(verb: Any, request: Any) -> Any:
        first = await once(verb, request)
        before = effects(site)
        assert await once(verb, request) == first
        assert effects(site) == before
        return first

    yield twice
    await pool.close()


def effects(site: Site) -> list[str]:
    return [each.effect for each in site.effects.read()]


def machine(site: Site) -> VirtualMachine:
    return site.vm(site.hosts[0], name="App")


def nic(site: Site, number: int = 0) -> NetworkAdapter:
    return machine(site).adapters[number]


def ref(site: Site) -> VirtualMachineRef:
    return VirtualMachineRef(vm_id=machine(site).vm_id, host=HOST)


def ids(site: Site, network: str, subnet: str) -> tuple[str, str]:
    [found] = [each for each in site.vmm.vm_networks if each.name == network]
    [place] = [each for each in found.subnets if each.name == subnet]
    return found.id, place.id


def pool_id(site: Site, network: str) -> str:
    [found] = [each for each in site.vmm.vm_networks if each.name == network]
    return found.subnets[0].static_pools[0].id


@pytest.mark.spec("DI-1")
async def test_adapters_are_read_with_their_ids_and_the_pools_with_what_is_given_out(
    site: Site, run: Run
) -> None:
    request = wire.ReadNetworkAdapters(
        vm=ref(site), static_address_pool_ids=[pool_id(site, "VMN1"), pool_id(site, "VMN3")]
    )
    found = await run(read_network_adapters, request)
    first, second = found.adapters
    network, subnet = ids(site, "VMN1", "Front")
    assert (first.id, first.device_id) == (nic(site).vmm_id, nic(site).id)
    assert (first.vm_network_id, first.vm_subnet_id, first.vlan_id) == (network, subnet, 7)
    assert (first.ipv4_address_type, list(first.ipv4_addresses)) == ("Static", ["10.0.0.10"])
    assert (second.slot, second.vm_subnet, second.vlan_id) == (1, "Back", 0)
    assert [list(pool.allocated) for pool in found.pools] == [[], []]


@pytest.mark.spec("NW-8")
async def test_what_a_pool_gave_to_others_is_told(site: Site, run: Run) -> None:
    machine(site).adapters.pop(0)
    other = NetworkAdapter(
        id=str(UUID(int=3)), vmm_id=site.vmm.allocated_addresses[0].assigned_to_id
    )
    site.save_vm(
        replace(machine(site), vm_id=str(UUID(int=4)), adapters=[other], known_to_vmm=True)
    )
    request = wire.ReadNetworkAdapters(
        vm=ref(site), static_address_pool_ids=[pool_id(site, "VMN1")]
    )
    found = await run(read_network_adapters, request)
    assert [list(pool.allocated) for pool in found.pools] == [["10.0.0.10"]]


@pytest.mark.spec("NW-3", "NW-7")
async def test_an_adapter_that_is_to_be_left_is_left(site: Site, run: Run) -> None:
    request = wire.ConnectNetworkAdapter(
        vm=ref(site), adapter_id=nic(site).vmm_id, leave_as_it_is=True
    )
    assert (await run(connect_network_adapter, request)).vm_network == "VMN1"


@pytest.mark.spec("NW-3")
async def test_an_adapter_is_connected_and_disconnected(site: Site, run: Run) -> None:
    network, subnet = ids(site, "VMN1", "Back")
    request = wire.ConnectNetworkAdapter(
        vm=ref(site), adapter_id=nic(site).vmm_id, vm_network_id=network, vm_subnet_id=subnet
    )
    told = await run(connect_network_adapter, request)
    assert (told.vm_network, told.vm_subnet, told.vlan_id) == ("VMN1", "Back", 0)
    assert nic(site).vm_subnet_id == subnet
    request = wire.ConnectNetworkAdapter(vm=ref(site), adapter_id=nic(site).vmm_id)
    told = await run(connect_network_adapter, request)
    assert (told.vm_network, told.virtual_network) == ("", "")
    assert nic(site).switch_name is None
    assert effects(site)[-2:] == ["network_adapter.connected", "network_adapter.disconnected"]


async def refused(run: Run, verb: Any, request: Any, site: Site) -> str:
    before = effects(site)
    with pytest.raises((CommandError, PowerShellError)) as caught:
        await run(verb, request)
    assert effects(site) == before
    return str(caught.value)


@pytest.mark.spec("NW-3", "NW-6")
async def test_a_host_without_a_switch_on_the_logical_network_refuses(site: Site, run: Run) -> None:
    network, subnet = ids(site, "VMN2", "Front")
    request = wire.ConnectNetworkAdapter(
        vm=ref(site), adapter_id=nic(site).vmm_id, vm_network_id=network, vm_subnet_id=subnet
    )
    assert "no virtual switch" in await refused(run, connect_network_adapter, request, site)


async def test_what_is_not_there_or_does_not_fit_is_refused(site: Site, run: Run) -> None:
    network, _ = ids(site, "VMN1", "Front")
    _, foreign = ids(site, "VMN2", "Front")
    for changes, words in (
        ({"adapter_id": str(UUID(int=7))}, "NetworkAdapterNotFound"),
        ({"vm_network_id": network, "vm_subnet_id": foreign}, "has no subnet"),
        ({"vm_network_id": str(UUID(int=8)), "vm_subnet_id": foreign}, "cannot find"),
        ({"vm_network_id": network}, "half a place"),
    ):
        values: dict[str, Any] = {"vm": ref(site), "adapter_id": nic(site).vmm_id, **changes}
        request = wire.ConnectNetworkAdapter(**values)
        assert words in await refused(run, connect_network_adapter, request, site)


@pytest.mark.spec("NW-8")
async def test_an_address_is_reserved_and_released(site: Site, run: Run) -> None:
    pool, adapter = pool_id(site, "VMN3"), nic(site, 1).vmm_id
    request = wire.ReserveAddress(
        adapter_id=adapter,
        static_address_pool_id=pool,
        address="10.3.0.11",
        description="App",
    )
    assert (await run(reserve_address, request)).address == "10.3.0.11"
    [given] = [each for each in site.vmm.allocated_addresses if each.pool_id == pool]
    assert (given.address, given.assigned_to_id, given.description) == (
        "10.3.0.11",
        adapter,
        "App",
    )
    release = wire.ReleaseAddress(
        adapter_id=adapter, static_address_pool_id=pool, address="10.3.0.11"
    )
    assert (await run(release_address, release)).address == ""
    assert effects(site)[-2:] == ["address.granted", "address.revoked"]
    # What another adapter has is not released.
    other = wire.ReleaseAddress(
        adapter_id=adapter, static_address_pool_id=pool_id(site, "VMN1"), address="10.0.0.10"
    )
    await run(release_address, other)
    assert "10.0.0.10" in {each.address for each in site.vmm.allocated_addresses}
    nothing = wire.ReserveAddress(adapter_id=adapter)
    assert (await run(reserve_address, nothing)).address == ""


@pytest.mark.spec("NW-8")
async def test_addresses_that_are_taken_or_outside_the_pool_are_refused(
    site: Site, run: Run
) -> None:
    for address, words in (("10.0.0.10", "AddressTaken"), ("10.0.0.99", "not in the range")):
        request = wire.ReserveAddress(
            adapter_id=nic(site, 1).vmm_id,
            static_address_pool_id=pool_id(site, "VMN1"),
            address=address,
            description="App",
        )
        assert words in await refused(run, reserve_address, request, site)


@pytest.mark.spec("DI-4")
async def test_a_look_tells_who_has_the_addresses_of_the_pools_that_were_asked_for(
    site: Site, run: Run
) -> None:
    async def look(*, everything: bool) -> FabricRefreshed:
        del everything
        return FabricRefreshed(inventory_revision=1)

    async def verb(request: RefreshFabric, context: VerbContext) -> FabricRefreshed:
        return await refresh_fabric(request, replace(context, refresh=look))

    known, unknown = pool_id(site, "VMN1"), str(UUID(int=99))
    found = await run(verb, RefreshFabric(static_address_pool_ids=[unknown, known]))
    told = {
        pool.static_address_pool_id: [(one.address, one.adapter_id) for one in pool.addresses]
        for pool in found.pools
    }
    assert told == {unknown: [], known: [("10.0.0.10", nic(site).vmm_id.lower())]}


def make_replica(site: Site) -> None:
    vm = machine(site)
    vm.replication = Replication(
        mode=ReplicationMode.REPLICA,
        state=ReplicationState.REPLICATING,
        relationship_id="r",
        primary_server="elsewhere.contoso.com",
        replica_server=HOST,
        port=443,
        statistics=ReplicationStatistics(monitoring_start=site.clock.now()),
    )
    site.save_vm(vm)


@pytest.mark.spec("NW-8")
async def test_a_failover_address_is_written_changed_and_cleared(site: Site, run: Run) -> None:
    make_replica(site)
    device = nic(site).id
    request = wire.WriteFailoverAddress(
        vm=ref(site),
        device_id=device,
        address="10.2.0.10",
        subnet_mask="255.255.255.0",
        default_gateway="10.2.0.1",
        dns_servers=["10.2.0.2"],
    )
    await run(write_failover_address, request)
    assert nic(site).failover_ipv4 == {
        "IPv4Address": "10.2.0.10",
        "IPv4SubnetMask": "255.255.255.0",
        "IPv4DefaultGateway": "10.2.0.1",
        "IPv4PreferredDNSServer": "10.2.0.2",
    }
    assert nic(site, 1).failover_ipv4 == {}
    bare = wire.WriteFailoverAddress(
        vm=ref(site), device_id=device, address="10.2.0.11", subnet_mask="255.255.255.0"
    )
    await run(write_failover_address, bare)
    assert "IPv4DefaultGateway" not in nic(site).failover_ipv4
    await run(write_failover_address, wire.WriteFailoverAddress(vm=ref(site), device_id=device))
    assert nic(site).failover_ipv4 == {}


@pytest.mark.spec("NW-8")
async def test_failover_addresses_are_refused_where_hyper_v_refuses_them(
    site: Site, run: Run
) -> None:
    written: dict[str, Any] = {"vm": ref(site), "device_id": nic(site).id, "address": "10.2.0.10"}
    request = wire.WriteFailoverAddress(**written, subnet_mask="255.255.255.0")
    assert "InvalidState" in await refused(run, write_failover_address, request, site)
    make_replica(site)
    request = wire.WriteFailoverAddress(**written)
    assert "together" in await refused(run, write_failover_address, request, site)
    request = wire.WriteFailoverAddress(**{**written, "device_id": str(UUID(int=5))})
    assert "NetworkAdapterNotFound" in await refused(run, write_failover_address, request, site)
