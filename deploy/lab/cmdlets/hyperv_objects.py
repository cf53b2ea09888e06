"""Hyper-V's objects as its PowerShell module 2.0 shows them: machines, disks, adapters, hosts."""

from uuid import UUID

from deploy.lab.invocation import I64, PSObject, Value
from deploy.lab.powershell.enumerations import enum_value
from deploy.lab.site.model import Disk, Host, NetworkAdapter, VirtualMachine, VMState
from deploy.lab.site.site import Site

NAMESPACE = "Microsoft.HyperV.PowerShell."
_ROOT = NAMESPACE + "VirtualizationObject"


def hyper_v_object(
    type_name: str, host: Host, shown: str, properties: dict[str, Value], *bases: str
) -> PSObject:
    """An object of the module; every one of them says which computer it is on."""
    common: dict[str, Value] = {
        "CimSession": f"CimSession: {host.fqdn}",
        "ComputerName": host.fqdn,
        "IsDeleted": False,
    }
    names = [NAMESPACE + type_name, *(NAMESPACE + base for base in bases), _ROOT, "System.Object"]
    return PSObject(tuple(names), shown, properties | common)


def _shown(type_name: str, name: str, identifier: str) -> str:
    return f"{type_name} (Name = '{name}') [Id = '{identifier}']"


def _path_of(vm: VirtualMachine) -> str:
    return vm.path or f"C:\\Hyper-V\\{vm.name}"


def _replication_of(site: Site, vm: VirtualMachine) -> dict[str, Value]:
    replication = vm.replication
    # The state of a test machine is not documented; it does not replicate.
    without = "TestReplica" if vm.test_replica_of else "None"
    mode = without if replication is None else replication.mode.value
    state = "Disabled" if replication is None else replication.state.value
    return {
        "ReplicationMode": enum_value("VMReplicationMode", mode),
        "ReplicationState": enum_value("VMReplicationState", state),
        "ReplicationHealth": enum_value(
            "VMReplicationHealthState", site.replication_health(vm).value
        ),
    }


def _run_time_of(site: Site, vm: VirtualMachine) -> dict[str, Value]:
    running = vm.state is VMState.RUNNING
    memory = vm.memory_startup_bytes if running else 0
    heartbeat = enum_value("VMHeartbeatStatus", "OkApplicationsHealthy") if running else None
    now = site.clock.now()
    status = (
        ["InService", "StorageMigrationPhaseOne"] if site.runtime(vm).storage_is_moved else ["Ok"]
    )
    return {
        "Uptime": now - (vm.started or now),
        "Heartbeat": heartbeat,
        "Status": "Operating normally",
        "OperationalStatus": [enum_value("VMOperationalStatus", each) for each in status],
        "PrimaryOperationalStatus": enum_value("VMOperationalStatus", status[0]),
        "PrimaryStatusDescription": "Operating normally",
        "StatusDescriptions": ["Operating normally"],
        "MemoryAssigned": I64(memory),
        "MemoryDemand": I64(memory),
        "CPUUsage": 0,
        "IntegrationServicesState": "Up to date" if running else "",
    }


def _settings_of(vm: VirtualMachine) -> dict[str, Value]:
    path = _path_of(vm)
    memory = I64(vm.memory_startup_bytes)
    return {
        "Generation": vm.generation,
        "IsClustered": vm.highly_available,
        "MemoryStartup": memory,
        "MemoryMinimum": memory,
        "MemoryMaximum": memory,
        "DynamicMemoryEnabled": False,
        "ProcessorCount": I64(vm.processors),
        "Path": path,
        "ConfigurationLocation": path,
        "SnapshotFileLocation": path,
        "SmartPagingFilePath": path,
        "AutomaticStartAction": enum_value("StartAction", vm.automatic_start_action),
        "AutomaticStartDelay": vm.automatic_start_delay_seconds,
        "AutomaticStopAction": enum_value("StopAction", vm.automatic_stop_action),
        "CheckpointType": enum_value("CheckpointType", "Production"),
        "Notes": vm.notes,
        "Version": "9.0",
        "ParentSnapshotId": None,
        "ParentSnapshotName": None,
        "CreationTime": vm.created,
        "IntegrationServicesVersion": None,
        "VirtualMachineType": enum_value("VirtualMachineType", "RealizedVirtualMachine"),
        "SizeOfSystemFiles": I64(0),
    }


def virtual_machine(site: Site, host: Host, vm: VirtualMachine) -> PSObject:
    """Microsoft.HyperV.PowerShell.VirtualMachine."""
    properties: dict[str, Value] = {
        "Id": UUID(vm.vm_id),
        "VMId": UUID(vm.vm_id),
        "Name": vm.name,
        "VMName": vm.name,
        "State": enum_value("VMState", vm.state.value),
        "HardDrives": [hard_disk_drive(host, vm, disk) for disk in vm.disks],
        "NetworkAdapters": [network_adapter(host, vm, adapter) for adapter in vm.adapters],
        "DVDDrives": [],
    }
    properties |= _replication_of(site, vm) | _run_time_of(site, vm) | _settings_of(vm)
    shown = _shown("VirtualMachine", vm.name, vm.vm_id)
    return hyper_v_object("VirtualMachine", host, shown, properties, "VirtualMachineBase")


def hard_disk_drive(host: Host, vm: VirtualMachine, disk: Disk) -> PSObject:
    place = f"controller number {disk.controller_number} at location {disk.controller_location}"
    name = f"Hard Drive on {disk.controller_type} {place}"
    identifier = f"Microsoft:{vm.vm_id.upper()}\\{disk.id.upper()}"
    properties: dict[str, Value] = {
        "Path": disk.path,
        "DiskNumber": None,
        "ControllerType": enum_value("ControllerType", disk.controller_type),
        "ControllerNumber": disk.controller_number,
        "ControllerLocation": disk.controller_location,
        "Name": name,
        "Id": identifier,
        "PoolName": "Primordial",
        "SupportPersistentReservations": False,
        "VMId": UUID(vm.vm_id),
        "VMName": vm.name,
        "VMSnapshotId": UUID(int=0),
        "VMSnapshotName": "",
    }
    shown = _shown("HardDiskDrive", name, identifier)
    return hyper_v_object("HardDiskDrive", host, shown, properties, "Drive", "VMDevice")


def network_adapter(host: Host, vm: VirtualMachine, adapter: NetworkAdapter) -> PSObject:
    identifier = f"Microsoft:{vm.vm_id.upper()}\\{adapter.id.upper()}"
    switches = {switch.name: switch.id for switch in host.switches}
    switch_id = switches.get(adapter.switch_name or "")
    properties: dict[str, Value] = {
        "Name": adapter.name,
        "Id": identifier,
        "AdapterId": adapter.id.upper(),
        "MacAddress": adapter.mac_address.replace(":", "").replace("-", "").upper(),
        "DynamicMacAddressEnabled": adapter.dynamic_mac_address,
        "SwitchName": adapter.switch_name,
        "SwitchId": None if switch_id is None else UUID(switch_id),
        "Connected": adapter.switch_name is not None,
        "IPAddresses": list(adapter.ip_addresses) if vm.state is VMState.RUNNING else [],
        "TestReplicaSwitchName": adapter.test_replica_switch_name,
        "TestReplicaPoolName": None,
        "PoolName": None,
        "Status": ["Ok"],
        "IsManagementOs": False,
        "IsLegacy": False,
        "VMId": UUID(vm.vm_id),
        "VMName": vm.name,
        "ClusterMonitored": True,
    }
    shown = _shown("VMNetworkAdapter", adapter.name, identifier)
    return hyper_v_object("VMNetworkAdapter", host, shown, properties, "VMNetworkAdapterBase")


def vm_host(host: Host) -> PSObject:
    properties: dict[str, Value] = {
        "Name": host.fqdn.partition(".")[0].upper(),
        "FullyQualifiedDomainName": host.fqdn.partition(".")[2],
        "LogicalProcessorCount": host.logical_processors,
        "MemoryCapacity": I64(host.total_memory_bytes),
        "VirtualHardDiskPath": host.default_virtual_hard_disk_path,
        "VirtualMachinePath": host.default_virtual_machine_path,
        "MacAddressMinimum": "00155D000000",
        "MacAddressMaximum": "00155D0000FF",
        "NumaSpanningEnabled": True,
        "VirtualMachineMigrationEnabled": False,
        "SupportedVmVersions": ["8.0", "9.0"],
        "IovSupport": False,
    }
    return hyper_v_object("VMHost", host, f"VMHost [{host.fqdn}]", properties)
