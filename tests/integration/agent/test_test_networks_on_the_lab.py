"""Isolated networks for tests, made and removed by an agent on a site of the lab."""

from __future__ import annotations

from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import test_failover_pb2 as wire

from agent.failures import CommandError
from agent.verbs.test_networks import create_test_network, remove_test_network
from deploy.lab.site.model import SubnetVLan
from deploy.lab.site.site import Site
from tests.integration.agent.test_networks_on_the_lab import Run, run, site

__all__ = ["run", "site"]

MARK = "made for a test"
NAME = "App - Test 1a2b"


def logical(site: Site, name: str) -> str:
    [found] = [each for each in site.vmm.logical_networks if each.name == name]
    return found.id


def virtualized(site: Site) -> wire.CreateTestNetwork:
    pool = wire.TestAddressPool(
        name=f"{NAME} 1",
        first_address="10.3.0.10",
        last_address="10.3.0.12",
        default_gateways=["10.3.0.1"],
        dns_servers=["10.3.0.2", "10.3.0.3"],
    )
    return wire.CreateTestNetwork(
        name=NAME,
        description=MARK,
        logical_network_id=logical(site, "WNV"),
        isolation_type="WindowsNetworkVirtualization",
        subnets=[
            wire.TestSubnet(name=f"{NAME} 1", subnet="10.3.0.0/24", pools=[pool]),
            wire.TestSubnet(name=f"{NAME} 2", subnet="10.4.0.0/24"),
        ],
    )


@pytest.mark.spec("FO-1")
async def test_a_virtualized_network_has_the_subnets_and_pools_asked_for_and_goes_whole(
    site: Site, run: Run
) -> None:
    before = [each.name for each in site.vmm.vm_networks]
    made = await run(create_test_network, virtualized(site))
    first, second = made.subnets
    assert (first.subnet, second.subnet) == ("10.3.0.0/24", "10.4.0.0/24")
    [pool] = first.pools
    assert list(pool.default_gateways) == ["10.3.0.1"]
    assert list(pool.dns_servers) == ["10.3.0.2", "10.3.0.3"]
    assert list(made.static_address_pool_ids) == [pool.static_address_pool_id]
    assert list(second.pools) == []
    await run(remove_test_network, wire.RemoveTestNetwork(name=NAME, description=MARK))
    assert [each.name for each in site.vmm.vm_networks] == before


async def test_what_an_agent_left_half_made_is_completed(site: Site, run: Run) -> None:
    request = virtualized(site)
    made = await run(create_test_network, request)
    network = next(each for each in site.vmm.vm_networks if each.name == NAME)
    network.subnets[0].static_pools.clear()
    network.subnets.pop()
    again = await run(create_test_network, request)
    assert again.vm_network_id == made.vm_network_id
    assert [each.subnet for each in again.subnets] == ["10.3.0.0/24", "10.4.0.0/24"]
    assert len(again.static_address_pool_ids) == 1


async def test_a_vlan_that_no_network_has_is_taken_and_without_one_it_says_so(
    site: Site, run: Run
) -> None:
    network = next(each for each in site.vmm.logical_networks if each.name == "LN2")
    network.definitions_isolated = True
    request = wire.CreateTestNetwork(
        name=NAME,
        description=MARK,
        logical_network_id=network.id,
        isolation_type="VLANNetwork",
    )
    with pytest.raises(CommandError) as refused:
        await run(create_test_network, request)
    assert refused.value.failure.code == "NoFreeSiteSubnet"
    network.free_subnet_vlans = [
        SubnetVLan(subnet="10.2.0.0/24", vlan_id=9),
        SubnetVLan(subnet="10.2.1.0/24", vlan_id=10),
    ]
    made = await run(create_test_network, request)
    assert [(each.subnet, each.vlan_id) for each in made.subnets] == [("10.2.1.0/24", 10)]
    await run(remove_test_network, wire.RemoveTestNetwork(name=NAME, description=MARK))


async def test_a_network_that_was_not_made_for_the_test_is_left_alone(site: Site, run: Run) -> None:
    effects = len(site.effects.read())
    for verb, request in (
        (remove_test_network, wire.RemoveTestNetwork(name="VMN3", description=MARK)),
        (
            create_test_network,
            wire.CreateTestNetwork(
                name="VMN3",
                description=MARK,
                logical_network_id=str(UUID(int=1)),
                isolation_type="WindowsNetworkVirtualization",
            ),
        ),
    ):
        with pytest.raises(CommandError) as refused:
            await run(verb, request)
        assert refused.value.failure.code == "TestNetworkNotOurs"
    assert len(site.effects.read()) == effects
    await run(remove_test_network, wire.RemoveTestNetwork(name="no-such", description=MARK))
