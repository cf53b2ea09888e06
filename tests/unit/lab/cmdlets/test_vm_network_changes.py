"""Networks for tests: made thing by thing, and removed in the other order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from deploy.lab.site.model import SubnetVLan

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

SERVER = "vmm-east.contoso.com"


async def make(east: Shell, step: Any, name: str, isolation: str) -> Any:
    logical = UUID(east.site.vmm.logical_networks[0].id)
    return await east.run(
        step(
            "New-OsrVMNetwork",
            VMMServer=SERVER,
            Name=name,
            Description="for a test",
            LogicalNetworkID=logical,
            IsolationType=isolation,
        )
    )


async def add_subnet(east: Shell, step: Any, network: UUID, subnet: str, vlan: int = 0) -> Any:
    return await east.run(
        step(
            "New-OsrVMSubnet",
            VMMServer=SERVER,
            VMNetworkID=network,
            Name=subnet,
            Subnet=subnet,
            VLanID=vlan,
        )
    )


@pytest.mark.spec("FO-1")
async def test_a_virtualized_network_is_made_with_subnet_and_pool_and_removed_again(
    east: Shell, step: Any
) -> None:
    vmm = step("Get-SCVMMServer", ComputerName=SERVER)
    east.site.vmm.logical_networks[0].network_virtualization_enabled = True
    made = await make(east, step, "Drill", "WindowsNetworkVirtualization")
    network = made.output[0]
    subnet = (await add_subnet(east, step, network.ID, "192.168.0.0/24")).output[0]
    pool = await east.run(
        step(
            "New-OsrStaticIPAddressPool",
            VMMServer=SERVER,
            VMSubnetID=subnet.ID,
            Name="P",
            Subnet="192.168.0.0/24",
            IPAddressRangeStart="192.168.0.10",
            IPAddressRangeEnd="192.168.0.20",
            DefaultGateway="192.168.0.1",
            DNSServer="",
        )
    )
    assert pool.errors == []
    early = await east.run(
        vmm, step("Get-SCVMNetwork", ID=network.ID), step("Remove-SCVMNetwork", Confirm=False)
    )
    assert early.errors[0].FullyQualifiedErrorId.startswith("LabObjectInUse")
    for get, remove, identifier in (
        ("Get-SCStaticIPAddressPool", "Remove-SCStaticIPAddressPool", pool.output[0].ID),
        ("Get-SCVMSubnet", "Remove-SCVMSubnet", subnet.ID),
        ("Get-SCVMNetwork", "Remove-SCVMNetwork", network.ID),
    ):
        gone = await east.run(vmm, step(get, ID=identifier), step(remove, Confirm=False))
        assert gone.errors == []
    assert [each.name for each in east.site.vmm.vm_networks] == ["VMN"]


async def test_what_the_logical_network_does_not_allow_is_refused(east: Shell, step: Any) -> None:
    for isolation in ("WindowsNetworkVirtualization", "VLANNetwork", "NoIsolation", "Other"):
        refused = await make(east, step, "Drill", isolation)
        assert refused.errors[0].FullyQualifiedErrorId.startswith("LabIsolationNotPossible")
    assert len(east.site.vmm.vm_networks) == 1


async def test_a_vlan_is_given_to_one_network_only(east: Shell, step: Any) -> None:
    logical = east.site.vmm.logical_networks[0]
    logical.definitions_isolated = True
    logical.free_subnet_vlans = [SubnetVLan(subnet="10.0.9.0/24", vlan_id=9)]
    first = (await make(east, step, "One", "VLANNetwork")).output[0]
    second = (await make(east, step, "Two", "VLANNetwork")).output[0]
    assert (await add_subnet(east, step, first.ID, "10.0.9.0/24", 9)).errors == []
    taken = await add_subnet(east, step, second.ID, "10.0.9.0/24", 9)
    assert taken.errors[0].FullyQualifiedErrorId.startswith("LabVlanTaken")
    unknown = await add_subnet(east, step, second.ID, "10.0.8.0/24", 8)
    assert unknown.errors[0].FullyQualifiedErrorId.startswith("LabNoSuchSite")
