from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

EAST = "hv-e1.contoso.com"


@pytest.fixture
def vmm(step: Any) -> Any:
    return step("Get-SCVMMServer", "localhost")


async def test_only_the_sites_own_server_can_be_connected_to(east: Shell, step: Any) -> None:
    [connection] = await east.objects(step("Get-SCVMMServer", "vmm-east.contoso.com"))
    assert connection.Port == 8100
    assert connection.PSTypeNames[0].endswith(".Remoting.ServerConnection")
    for parameters in (
        {"ComputerName": "vmm-west.contoso.com"},
        {"ComputerName": "localhost", "TCPPort": 1},
    ):
        outcome = await east.run(step("Get-SCVMMServer", **parameters))
        [error] = outcome.errors
        assert error.FullyQualifiedErrorId.startswith("1604,")
        assert error.CategoryInfo.Reason == "CarmineException"


async def test_another_server_has_no_connection(east: Shell, step: Any) -> None:
    outcome = await east.run(step("Get-SCCloud", VMMServer="vmm-west.contoso.com"))
    assert outcome.errors[0].FullyQualifiedErrorId.startswith("LabServerMismatch,")


@pytest.mark.parametrize(
    ("cmdlet", "names"),
    [
        ("Get-SCCloud", {"CloudE"}),
        ("Get-SCVMHost", {EAST}),
        ("Get-SCVirtualMachine", {"App"}),
        ("Get-SCVMNetwork", {"VMN"}),
        ("Get-SCVMSubnet", {"S"}),
        ("Get-SCLogicalNetwork", {"LN"}),
        ("Get-SCStorageClassification", {"GOLD"}),
        ("Get-SCVirtualNetworkAdapter", {"App"}),
        ("Get-SCVirtualHardDisk", {"App"}),
        ("Get-SCStaticIPAddressPool", set()),
        ("Get-SCVMHostCluster", set()),
        ("Get-SCStorageFileShare", set()),
    ],
)
async def test_each_listing_gives_what_the_topology_says(
    east: Shell, step: Any, vmm: Any, cmdlet: str, names: set[str]
) -> None:
    found = await east.objects(vmm, step(cmdlet))
    assert {each.Name for each in found} == names
    for each in found:
        type_name = each.PSTypeNames[0]
        assert type_name.startswith("Deserialized.Microsoft.SystemCenter.VirtualMachineManager.")


@pytest.mark.parametrize(
    "cmdlet",
    ["Get-SCCloud", "Get-SCVirtualMachine", "Get-SCVMNetwork", "Get-SCLogicalNetwork"],
)
async def test_names_that_nothing_bears_give_nothing_and_no_error(
    east: Shell, step: Any, vmm: Any, cmdlet: str
) -> None:
    assert await east.objects(vmm, step(cmdlet, Name="no such")) == []


async def test_things_belong_together_by_id_and_text(east: Shell, step: Any, vmm: Any) -> None:
    [vm] = await east.objects(vmm, step("Get-SCVirtualMachine", Name="App"))
    [cloud] = await east.objects(vmm, step("Get-SCCloud"))
    [host] = await east.objects(vmm, step("Get-SCVMHost", ComputerName=EAST))
    assert vm.CloudId == cloud.ID
    assert vm.HostId == host.ID
    assert (vm.Cloud, vm.HostName) == ("CloudE", EAST)
    assert list(cloud.HostGroup) == [host.VMHostGroup]
    assert vm.VMId == vm.VMId.upper()
    assert vm.VirtualMachineState.PSObject.to_string == "Running"
    [adapter] = await east.objects(vmm, step("Get-SCVirtualNetworkAdapter", All=True))
    assert adapter.DeviceID.startswith(f"Microsoft:{vm.VMId}\\")
    assert adapter.MACAddress.count(":") == 5
    assert (adapter.VMNetwork, adapter.VMSubnet) == ("VMN", "S")


async def test_drives_are_unfolded_beside_their_machine(east: Shell, step: Any, vmm: Any) -> None:
    [drive] = await east.objects(
        vmm,
        step("Get-SCVirtualMachine", All=True),
        step("Select-Object", Property=["VMId"], ExpandProperty="VirtualDiskDrives"),
        step("Select-Object", Property=["VMId", "VirtualHardDiskId", "BusType", "Lun"]),
    )
    [disk] = await east.objects(vmm, step("Get-SCVirtualHardDisk", All=True))
    assert drive.VirtualHardDiskId == disk.ID
    assert disk.Classification == "GOLD"
    assert disk.MaximumSize == 3 * 1024 * 1024


async def test_objects_filter_other_listings_through_the_pipeline(
    east: Shell, step: Any, vmm: Any
) -> None:
    host = step("Get-SCVMHost", ComputerName=EAST)
    assert len(await east.objects(vmm, host, step("Get-SCVirtualMachine"))) == 1
    cloud = step("Get-SCCloud", Name="CloudE")
    assert len(await east.objects(vmm, cloud, step("Get-SCVirtualMachine"))) == 1
    machine = step("Get-SCVirtualMachine", Name="App")
    assert len(await east.objects(vmm, machine, step("Get-SCVirtualHardDisk"))) == 1
    assert len(await east.objects(vmm, machine, step("Get-SCVirtualNetworkAdapter"))) == 1
    # -VMNetwork of Get-SCVMSubnet takes no pipeline input, whatever its name suggests.
    refused = await east.run(vmm, step("Get-SCVMNetwork"), step("Get-SCVMSubnet"))
    assert refused.errors[0].FullyQualifiedErrorId.startswith("InputObjectNotBound,")


async def test_vmm_sees_a_machine_only_after_a_refresh(east: Shell, step: Any, vmm: Any) -> None:
    [vm] = east.site.virtual_machines
    vm.known_to_vmm = False
    everything = step("Get-SCVirtualMachine", All=True)
    assert await east.objects(vmm, everything) == []
    host = step("Get-SCVMHost", ComputerName=EAST)
    await east.objects(vmm, host, step("Read-SCVirtualMachine"))
    assert len(await east.objects(vmm, everything)) == 1


async def test_force_removes_a_machine_from_the_database_only(
    east: Shell, step: Any, vmm: Any
) -> None:
    machine = step("Get-SCVirtualMachine", Name="App")
    await east.objects(vmm, machine, step("Remove-SCVirtualMachine", Force=True, Confirm=False))
    assert await east.objects(vmm, machine) == []
    assert len(await east.objects(step("Get-VM", ComputerName=EAST))) == 1
    assert "vm.removed_from_vmm" in east.effects()


async def test_a_running_machine_is_not_removed_and_a_stopped_one_is(
    east: Shell, step: Any, vmm: Any
) -> None:
    machine = step("Get-SCVirtualMachine", Name="App")
    remove = step("Remove-SCVirtualMachine", Confirm=False)
    outcome = await east.run(vmm, machine, remove)
    assert outcome.errors[0].FullyQualifiedErrorId.startswith("LabVirtualMachineRunning,")
    await east.objects(step("Stop-VM", "App", ComputerName=EAST, Force=True))
    await east.objects(vmm, machine, remove)
    assert await east.objects(step("Get-VM", ComputerName=EAST)) == []


async def test_a_host_without_power_does_not_respond(east: Shell, step: Any, vmm: Any) -> None:
    east.site.hosts[0].powered = False
    [host] = await east.objects(vmm, step("Get-SCVMHost"))
    assert host.CommunicationState == "NotResponding"
    [vm] = await east.objects(vmm, step("Get-SCVirtualMachine"))
    assert vm.StatusString == "Host Not Responding"
    outcome = await east.run(vmm, step("Get-SCVMHost"), step("Read-SCVMHost"))
    assert outcome.errors[0].FullyQualifiedErrorId.startswith("LabHostNotResponding,")


async def test_a_machine_is_marked_for_protection_and_the_mark_is_cleared(
    east: Shell, step: Any, vmm: Any
) -> None:
    machine = step("Get-SCVirtualMachine", Name="App")
    for change, wanted in (
        ({"DRProtectionRequired": True}, True),
        ({"DRProtectionRequired": True}, True),
        ({"ClearDRProtection": True}, False),
        ({"ClearDRProtection": True}, False),
    ):
        await east.objects(vmm, machine, step("Set-SCVirtualMachine", **change))
        [shown] = await east.objects(vmm, machine)
        assert shown.IsDRProtectionRequired is wanted
    assert east.effects().count("vm.dr_protection_set") == 2


async def test_what_the_lab_does_not_know_of_marking_is_refused(
    east: Shell, step: Any, vmm: Any
) -> None:
    machine = step("Get-SCVirtualMachine", Name="App")
    both = {"DRProtectionRequired": True, "ClearDRProtection": True}
    for change in (both, {"ProtectionProvider": "HVRBlue"}):
        refused = await east.run(vmm, machine, step("Set-SCVirtualMachine", **change))
        assert len(refused.errors) == 1
    assert "vm.dr_protection_set" not in east.effects()
