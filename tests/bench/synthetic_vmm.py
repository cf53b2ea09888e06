"""A VMM with many machines, answering through the lab's PowerShell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from deploy.lab.invocation import U64, Byte, Invocation, InvocationResult, PSObject, Value
from deploy.lab.powershell.enumerations import enum_value

START = datetime(2026, 3, 1, tzinfo=UTC)
HOSTS = 50
CLOUDS = 10
MACHINE, DRIVE, DISK, ADAPTER, HOST, CLOUD, VM_ID = range(1, 8)


def identifier(kind: int, number: int) -> UUID:
    return UUID(int=kind << 64 | number)


def vmm_object(kind: str, properties: dict[str, Value], shown: str) -> PSObject:
    name = f"Microsoft.SystemCenter.VirtualMachineManager.{kind}"
    return PSObject((name, "System.Object"), shown, properties)


class SyntheticVmm:
    """Objects are made once; a change makes the one machine anew.

    Args:
        machines: How many, each with a disk and an adapter.
    """

    def __init__(self, machines: int) -> None:
        self._minute = 0
        self._machines = {number: self._machine(number, {}) for number in range(machines)}
        self._hosts = [self._host(number) for number in range(HOSTS)]
        self._clouds = [self._cloud(number) for number in range(CLOUDS)]

    def change(self, numbers: Iterable[int]) -> None:
        """An administrator renames machines."""
        self._minute += 1
        for number in numbers:
            name = f"vm{number:05}-{self._minute}"
            self._machines[number] = self._machine(number, {"Name": name})

    async def invoke(self, call: Invocation) -> InvocationResult:
        """The lab's backend: one bound cmdlet."""
        answers: dict[str, Callable[[], Iterable[PSObject]]] = {
            "Get-SCVMMServer": lambda: [self._server()],
            "Get-SCVirtualMachine": self._machines.values,
            "Get-SCVirtualHardDisk": lambda: self._unfolded("VirtualHardDisks"),
            "Get-SCVirtualNetworkAdapter": lambda: self._unfolded("VirtualNetworkAdapters"),
            "Get-SCVMHost": lambda: self._hosts,
            "Get-SCCloud": lambda: self._clouds,
        }
        found = answers.get(call.cmdlet, lambda: ())
        return InvocationResult(output=tuple(found()))

    def _unfolded(self, name: str) -> Iterable[PSObject]:
        for machine in self._machines.values():
            devices = machine.properties[name]
            if isinstance(devices, list):
                yield from (device for device in devices if isinstance(device, PSObject))

    def _server(self) -> PSObject:
        properties: dict[str, Value] = {
            "FullyQualifiedDomainName": "vmm.example.com",
            "ProductVersion": "10.19.2591.0",
        }
        return vmm_object("Remoting.ServerConnection", properties, "vmm")

    def _host(self, number: int) -> PSObject:
        properties: dict[str, Value] = {
            "ID": identifier(HOST, number),
            "FullyQualifiedDomainName": f"hv{number:02}.example.com",
            "VMHostGroup": f"All Hosts\\Cloud{number % CLOUDS}",
            "OperatingSystemVersion": "10.0.17763",
            "CommunicationState": "Responding",
            "TotalMemory": U64(2**40),
        }
        return vmm_object("Host", properties, f"hv{number:02}.example.com")

    def _cloud(self, number: int) -> PSObject:
        properties: dict[str, Value] = {
            "ID": identifier(CLOUD, number),
            "Name": f"Cloud{number}",
            "HostGroup": [f"All Hosts\\Cloud{number}"],
            "CapabilityProfiles": ["Hyper-V"],
        }
        return vmm_object("Cloud", properties, f"Cloud{number}")

    def _machine(self, number: int, changes: dict[str, Value]) -> PSObject:
        vm_id = str(identifier(VM_ID, number)).upper()
        host = f"hv{number % HOSTS:02}.example.com"
        disk: dict[str, Value] = {
            "ID": identifier(DISK, number),
            "Name": f"vm{number:05}_disk_1",
            "Location": f"C:\\ClusterStorage\\Volume1\\vm{number:05}\\disk_1.vhdx",
            "Size": 4_194_304,
            "MaximumSize": U64(127 * 2**30),
            "VHDFormatType": "VHDX",
            "Classification": "GOLD",
        }
        drive: dict[str, Value] = {
            "ID": identifier(DRIVE, number),
            "VirtualHardDiskId": identifier(DISK, number),
            "HasSharedStorage": False,
            "BusType": "SCSI",
            "Bus": Byte(0),
            "Lun": Byte(0),
        }
        adapter: dict[str, Value] = {
            "ID": identifier(ADAPTER, number),
            "DeviceID": f"Microsoft:{vm_id}\\{identifier(ADAPTER, number)}",
            "SlotId": 0,
            "MACAddress": "00:15:5D:FD:21:0A",
            "VMNetwork": "VMNetwork1",
            "VMSubnet": "Web",
            "LogicalNetwork": "Tenant",
            "IPv4AddressType": "Dynamic",
            "IPv4Addresses": ["10.0.1.17"],
            "IPv6Addresses": [],
        }
        properties: dict[str, Value] = {
            "ID": identifier(MACHINE, number),
            "VMId": vm_id,
            "Name": f"vm{number:05}",
            "HostName": host,
            "HostType": "VMHost",
            "VirtualizationPlatform": enum_value("VirtualizationPlatform", "HyperV"),
            "CloudId": identifier(CLOUD, number % CLOUDS),
            "VirtualMachineState": enum_value("VMComputerSystemState", "Running"),
            "Generation": 2,
            "OperatingSystem": "Windows Server 2019 Datacenter",
            "CPUCount": Byte(2),
            "Memory": 4096,
            "IsHighlyAvailable": True,
            "HasVMAdditions": True,
            "VMAddition": "10.0.17763.0",
            "VMCheckpoints": [],
            "ComputerNameString": f"vm{number:05}",
            "ModifiedTime": START + timedelta(minutes=self._minute, milliseconds=number),
            "VirtualDiskDrives": [vmm_object("VirtualDiskDrive", drive, "drive")],
            "VirtualHardDisks": [vmm_object("StandaloneVirtualHardDisk", disk, "disk")],
            "VirtualNetworkAdapters": [vmm_object("VirtualNetworkAdapter", adapter, "card")],
        }
        return vmm_object("VM", {**properties, **changes}, f"vm{number:05}")
