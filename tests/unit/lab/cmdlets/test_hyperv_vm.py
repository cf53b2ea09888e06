from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

EAST = "hv-e1.contoso.com"


async def test_a_machine_has_the_properties_of_the_module(east: Shell, step: Any) -> None:
    [vm] = await east.objects(step("Get-VM", ComputerName=EAST))
    assert vm.PSTypeNames[0] == "Deserialized.Microsoft.HyperV.PowerShell.VirtualMachine"
    assert (vm.Name, vm.ComputerName, vm.Generation) == ("App", EAST, 2)
    for name, text in (
        ("State", "Running"),
        ("ReplicationMode", "None"),
        ("ReplicationState", "Disabled"),
        ("ReplicationHealth", "NotApplicable"),
    ):
        assert getattr(vm, name).PSObject.to_string == text
    assert [type(each).__name__ for each in vm.HardDrives] == ["PSString"]


async def test_a_machine_is_found_by_id_name_and_wildcard(east: Shell, step: Any) -> None:
    [vm] = await east.objects(step("Get-VM", ComputerName=EAST))
    for how in ({"Id": vm.Id}, {"Name": "app"}, {"Name": "A*"}):
        [found] = await east.objects(step("Get-VM", ComputerName=EAST, **how))
        assert found.Id == vm.Id
    assert await east.objects(step("Get-VM", ComputerName=EAST, Name="Z*")) == []


@pytest.mark.parametrize(
    ("parameters", "error_id", "category"),
    [
        ({"ComputerName": EAST, "Name": "N1"}, "InvalidParameter", "InvalidArgument"),
        ({"ComputerName": EAST, "Id": uuid4()}, "InvalidParameter", "InvalidArgument"),
        ({"ComputerName": "hv-nowhere"}, "InvalidParameter", "InvalidArgument"),
        ({}, "ObjectNotFound", "ObjectNotFound"),
        ({"ComputerName": "vmm-east.contoso.com"}, "ObjectNotFound", "ObjectNotFound"),
    ],
)
async def test_what_is_not_there_is_an_error_of_the_2016_module(
    east: Shell, step: Any, parameters: dict[str, Any], error_id: str, category: str
) -> None:
    outcome = await east.run(step("Get-VM", **parameters))
    [error] = outcome.errors
    assert error.FullyQualifiedErrorId == (f"{error_id},Microsoft.HyperV.PowerShell.Commands.GetVM")
    assert error.CategoryInfo.Category.name == category
    assert error.CategoryInfo.Reason == "VirtualizationException"


async def test_of_several_names_those_that_exist_are_found(east: Shell, step: Any) -> None:
    outcome = await east.run(step("Get-VM", ComputerName=EAST, Name=["N1", "App", "N2"]))
    assert [vm.Name for vm in outcome.output] == ["App"]
    assert len(outcome.errors) == 2


async def test_stop_at_the_first_error_leaves_the_rest_alone(east: Shell, step: Any) -> None:
    outcome = await east.run(
        step("Stop-VM", ComputerName=EAST, Name=["N1", "App"], ErrorAction="Stop", Force=True)
    )
    assert outcome.error_id.startswith("InvalidParameter,")
    assert "vm.stopped" not in east.effects()


async def test_stop_and_start_act_once_and_warn_the_second_time(east: Shell, step: Any) -> None:
    this = step("Get-VM", ComputerName=EAST)
    for cmdlet, state in (("Stop-VM", "Off"), ("Start-VM", "Running")):
        [vm] = await east.objects(this, step(cmdlet, Confirm=False, Passthru=True))
        assert vm.State.PSObject.to_string == state
        again = await east.run(this, step(cmdlet, Confirm=False))
        assert again.output == []
        assert len(again.warnings) == 1
    stops = [effect for effect in east.effects() if effect == "vm.stopped"]
    assert len(stops) == 1


async def test_disks_and_adapters_of_a_machine(east: Shell, step: Any) -> None:
    this = step("Get-VM", ComputerName=EAST)
    [disk] = await east.objects(this, step("Get-VMHardDiskDrive", ControllerType="SCSI"))
    assert disk.Path.startswith("C:\\ClusterStorage\\V1")
    assert await east.objects(this, step("Get-VMHardDiskDrive", ControllerType="IDE")) == []
    [adapter] = await east.objects(this, step("Get-VMNetworkAdapter"))
    assert adapter.Connected
    assert ":" not in adapter.MacAddress


async def test_an_adapter_is_disconnected_and_connected(east: Shell, step: Any) -> None:
    adapter = step("Get-VMNetworkAdapter", ComputerName=EAST, VMName="App")
    [before] = await east.objects(adapter)
    await east.objects(adapter, step("Disconnect-VMNetworkAdapter", Confirm=False))
    assert not (await east.objects(adapter))[0].Connected
    connect = step("Connect-VMNetworkAdapter", SwitchName=str(before.SwitchName))
    await east.objects(adapter, connect)
    await east.objects(adapter, connect)
    assert (await east.objects(adapter))[0].SwitchName == before.SwitchName
    assert east.effects().count("network_adapter.connected") == 1
    wrong = await east.run(adapter, step("Connect-VMNetworkAdapter", SwitchName="no such"))
    assert "virtual switch" in wrong.errors[0].Exception.Message


async def test_a_host_tells_its_paths(east: Shell, step: Any) -> None:
    [host] = await east.objects(step("Get-VMHost", ComputerName="HV-E1"))
    assert host.VirtualHardDiskPath
    assert host.LogicalProcessorCount > 0


async def test_a_machine_without_replication_named_outright_is_an_error(
    east: Shell, step: Any
) -> None:
    this = step("Get-VM", ComputerName=EAST)
    outcome = await east.run(this, step("Get-VMReplication"))
    assert outcome.errors[0].FullyQualifiedErrorId.startswith("InvalidState,")
    for how in ({}, {"VMName": "*"}):
        assert await east.objects(step("Get-VMReplication", ComputerName=EAST, **how)) == []


async def test_what_the_lab_lacks_is_refused_by_name(east: Shell, step: Any) -> None:
    for cmdlet, parameters in (
        ("Stop-VM", {"Name": "App", "Save": True}),
        ("Set-VMReplication", {"VMName": "App", "UseBackup": True}),
    ):
        outcome = await east.run(step(cmdlet, ComputerName=EAST, **parameters))
        assert outcome.errors[0].FullyQualifiedErrorId.startswith("LabParameterMissing,")
