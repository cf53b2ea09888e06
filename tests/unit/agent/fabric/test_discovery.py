"""From the records of VMM's cmdlets to inventory objects."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from agent.fabric.discovery import QUESTIONS, read_inventory
from agent.fabric.inventory import Inventory, ObjectKey
from agent.powershell.errors import PowerShellFailure
from agent.powershell.records import PropertyError, PSRecord

Record = Callable[..., PSRecord]

CLOUD, HOST, CLUSTER, VM, VM_ID = (UUID(int=number) for number in range(1, 6))
DRIVE, DISK, ADAPTER, NETWORK, SUBNET = (UUID(int=number) for number in range(6, 11))
SHARE, VOLUME, POOL, LOGICAL, CLASSIFICATION = (UUID(int=number) for number in range(11, 16))
SECOND_HOST, PASS_THROUGH = UUID(int=16), UUID(int=17)


@pytest.fixture
def shanghai(powershell: Any, record: Record) -> Any:
    """A small fabric, as VMM's cmdlets give it after Select-Object."""
    answers = {
        "Get-SCCloud": [
            record(
                ID=CLOUD,
                Name="GoldCloud1",
                Description=None,
                HostGroup=[PSRecord(text="All Hosts\\Gold")],
                CapabilityProfiles=["Hyper-V"],
                LogicalNetworks=["Tenant"],
                StorageClassifications=["SILVER", "GOLD"],
            )
        ],
        "Get-SCVMHost": [
            record(
                ID=HOST,
                FullyQualifiedDomainName="h1.shanghai",
                VMHostGroup=PSRecord(text="All Hosts\\Gold"),
                HostCluster=PSRecord(text="Cluster.shanghai"),
                OperatingSystem=PSRecord(text="Microsoft Windows Server 2019 Datacenter "),
                OperatingSystemVersion="10.0.17763",
                CommunicationState="Responding",
                OverallState="OK",
                LogicalProcessorCount=16,
                TotalMemory=8589467648,
                AvailableMemory=6564,
                AvailableForPlacement=True,
                MaintenanceHost=False,
                VMPaths=["D:\\VMs"],
                RegisteredStorageFileShares=["GoldShare"],
            ),
            record(
                ID=SECOND_HOST,
                FullyQualifiedDomainName="h2.shanghai",
                HostCluster="cluster.shanghai",
            ),
            record(ID=UUID(int=99), FullyQualifiedDomainName="e", VirtualizationPlatform="VMWare"),
        ],
        "Get-SCVMHostCluster": [
            record(ID=CLUSTER, Name="cluster.shanghai", HostGroup="All Hosts\\Gold")
        ],
        "Get-SCVMNetwork": [
            record(
                ID=NETWORK,
                Name="VMNetwork1-Shanghai",
                LogicalNetwork="Tenant",
                IsolationType="NoIsolation",
            )
        ],
        "Get-SCVMSubnet": [
            record(
                ID=SUBNET,
                Name="Web",
                VMNetwork="VMNetwork1-Shanghai",
                SubnetVLans=["10.0.1.0/24-7"],
            )
        ],
        "Get-SCLogicalNetwork": [
            record(ID=LOGICAL, Name="Tenant", NetworkVirtualizationEnabled=True)
        ],
        "Get-SCStaticIPAddressPool": [
            record(
                ID=POOL,
                Name="Web pool",
                Subnet="10.0.1.0/24",
                VMSubnet="Web",
                LogicalNetworkDefinition="Tenant_0",
                IPAddressRangeStart="10.0.1.10",
                IPAddressRangeEnd="10.0.1.99",
            )
        ],
        "Get-SCStorageClassification": [record(ID=CLASSIFICATION, Name="GOLD", Description="fast")],
        "Get-SCStorageFileShare": [
            record(
                ID=SHARE,
                Name="GoldShare",
                SharePath="\\\\fs.shanghai\\GoldShare",
                Classification="GOLD",
                Capacity=1000,
                FreeSpace=400,
            )
        ],
        "Get-SCStorageVolume": [
            record(
                ID=VOLUME,
                Name="C:\\ClusterStorage\\Volume1",
                MountPoints=["C:\\ClusterStorage\\Volume1\\"],
                Classification=PSRecord(text="SILVER"),
                Capacity=500000878592,
                FreeSpace=31274946560,
                IsClusterSharedVolume=True,
                VMHost=PSRecord(text="h1.shanghai"),
            ),
            record(ID=UUID(int=98), Name="L:\\", VMHost=None),
        ],
        "Get-SCVirtualMachine": [
            record(
                ID=VM,
                VMId=str(VM_ID).upper(),
                Name="SQL-01",
                HostName="h1.shanghai",
                HostType="VMHost",
                CloudId=CLOUD,
                VirtualMachineState="Running",
                Generation=2,
                OperatingSystem=PSRecord(text="Windows Server 2019 Datacenter"),
                CPUCount=4,
                Memory=2048,
                IsHighlyAvailable=True,
                IsPrimaryVM=True,
                IsRecoveryVM=False,
                IsTestReplicaVM=False,
            ),
            record(
                ID=UUID(int=97), VMId=str(UUID(int=96)), Name="stored", HostType="LibraryServer"
            ),
        ],
        "Get-SCVirtualMachineVirtualDiskDrives": [
            record(
                VMId=str(VM_ID).upper(),
                HostName="h1.shanghai",
                ID=PASS_THROUGH,
                VirtualHardDiskId=UUID(int=0),
                PassThroughDisk="\\\\.\\PHYSICALDRIVE3",
                HasSharedStorage=True,
                BusType="SCSI",
                Bus=0,
                Lun=1,
            ),
            record(
                VMId=str(VM_ID).upper(),
                HostName="h1.shanghai",
                ID=DRIVE,
                VirtualHardDiskId=DISK,
                BusType="SCSI",
                Bus=0,
                Lun=0,
            ),
        ],
        "Get-SCVirtualHardDisk": [
            record(
                ID=DISK,
                Name="sql_disk_1",
                Location="D:\\VMs\\sql_disk_1.vhdx",
                Size=4194304,
                MaximumSize=10737418240,
                VHDFormatType="VHDX",
                Classification="GOLD",
            )
        ],
        "Get-SCVirtualMachineVirtualNetworkAdapters": [
            record(
                VMId=str(VM_ID).upper(),
                HostName="H1.shanghai",
                ID=ADAPTER,
                DeviceID=f"Microsoft:{str(VM_ID).upper()}\\C5D97A3B-7F02-4510-94BF-694870B6803A",
                SlotId=0,
                MACAddress="00:15:5D:FD:21:0A",
                VMNetwork="VMNetwork1-Shanghai",
                VMSubnet="Web",
                LogicalNetwork="Tenant",
                IPv4AddressType="Dynamic",
                IPv4Addresses=["10.0.1.17"],
            ),
            record(ID=UUID(int=95), DeviceID=None),
        ],
    }
    for name, answer in answers.items():
        powershell.answer(name, answer)
    return powershell


@pytest.fixture
async def inventory(shanghai: Any) -> Inventory:
    return await read_inventory(shanghai, vmm_server="vmm.shanghai")


@pytest.mark.spec("DI-1")
async def test_a_machine_comes_with_its_disks_and_adapters(inventory: Inventory) -> None:
    machine = inventory[ObjectKey("virtual_machine", str(VM))].virtual_machine
    assert machine.vm_id == str(VM_ID)
    assert (machine.name, machine.host_fqdn, machine.state) == ("SQL-01", "h1.shanghai", "Running")
    assert (machine.cloud_id, machine.generation) == (str(CLOUD), 2)
    assert (machine.processors, machine.memory_bytes) == (4, 2 * 1024**3)
    assert (machine.highly_available, machine.primary, machine.recovery) == (True, True, False)
    assert machine.operating_system == "Windows Server 2019 Datacenter"
    [disk, pass_through] = machine.disks
    assert (disk.name, disk.path) == ("sql_disk_1", "D:\\VMs\\sql_disk_1.vhdx")
    assert (disk.size_bytes, disk.maximum_size_bytes) == (4194304, 10737418240)
    assert (disk.format, disk.classification, disk.pass_through) == ("VHDX", "GOLD", False)
    assert (pass_through.name, pass_through.pass_through) == ("\\\\.\\PHYSICALDRIVE3", True)
    assert (pass_through.shared, pass_through.format) == (True, "")
    [adapter] = machine.adapters
    assert (adapter.vm_network_id, adapter.vm_network) == (str(NETWORK), "VMNetwork1-Shanghai")
    assert (adapter.mac_address, adapter.vm_subnet) == ("00:15:5D:FD:21:0A", "Web")
    assert list(adapter.ipv4_addresses) == ["10.0.1.17"]


async def test_machines_in_a_library_and_other_hypervisors_are_left_out(
    inventory: Inventory,
) -> None:
    kinds = [key.kind for key in inventory]
    assert kinds.count("virtual_machine") == 1
    assert kinds.count("host") == 2


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_machine_without_hyper_vs_id_and_its_drives_do_not_stop_discovery(
    shanghai: Any, record: Record, nothing: str | None
) -> None:
    machines, drives = "Get-SCVirtualMachine", "Get-SCVirtualMachineVirtualDiskDrives"
    broken = record(ID=UUID(int=90), VMId=nothing, Name="creation failed", HostName=None)
    shanghai.answer(machines, [broken, *shanghai.answers[machines, ""]])
    drive = record(VMId=nothing, ID=UUID(int=89), VirtualHardDiskId=None)
    shanghai.answer(drives, [drive, *shanghai.answers[drives, ""]])
    inventory = await read_inventory(shanghai)
    found = [
        item.virtual_machine for item in inventory.values() if item.HasField("virtual_machine")
    ]
    assert [(machine.name, len(machine.disks)) for machine in found] == [("SQL-01", 2)]


async def test_a_machine_without_cloud_host_disks_or_plain_letters_is_read(
    shanghai: Any, record: Record
) -> None:
    lonely = record(
        ID=UUID(int=88),
        VMId=str(UUID(int=87)),
        Name="数据库-ß-\U0001f5a5",
        HostName=None,
        CloudId=None,
        VirtualMachineState="HostNotResponding",
    )
    shanghai.answer("Get-SCVirtualMachine", [lonely])
    inventory = await read_inventory(shanghai)
    machine = inventory[ObjectKey("virtual_machine", str(UUID(int=88)))].virtual_machine
    assert (machine.name, machine.host_fqdn, machine.cloud_id) == ("数据库-ß-\U0001f5a5", "", "")
    assert (machine.state, len(machine.disks)) == ("HostNotResponding", 0)


@pytest.mark.spec("DI-1")
async def test_clouds_and_hosts(inventory: Inventory) -> None:
    cloud = inventory[ObjectKey("cloud", str(CLOUD))].cloud
    assert (cloud.name, cloud.description) == ("GoldCloud1", "")
    assert list(cloud.host_group_paths) == ["All Hosts\\Gold"]
    assert list(cloud.capability_profiles) == ["Hyper-V"]
    assert list(cloud.logical_networks) == ["Tenant"]
    assert list(cloud.storage_classifications) == ["GOLD", "SILVER"]
    host = inventory[ObjectKey("host", str(HOST))].host
    assert (host.fqdn, host.cluster_fqdn) == ("h1.shanghai", "Cluster.shanghai")
    assert host.operating_system == "Microsoft Windows Server 2019 Datacenter"
    assert (host.operating_system_version, host.host_group_path) == (
        "10.0.17763",
        "All Hosts\\Gold",
    )
    assert (host.communication_state, host.overall_state) == ("Responding", "OK")
    assert (host.total_memory_bytes, host.available_memory_bytes) == (8589467648, 6564 * 1024**2)
    assert host.available_for_placement
    cluster = inventory[ObjectKey("host_cluster", str(CLUSTER))].host_cluster
    assert (cluster.fqdn, cluster.host_group_path) == ("cluster.shanghai", "All Hosts\\Gold")


@pytest.mark.spec("DI-1")
async def test_networks_come_with_their_subnets(inventory: Inventory) -> None:
    network = inventory[ObjectKey("vm_network", str(NETWORK))].vm_network
    assert network.isolation_type == "NoIsolation"
    [subnet] = network.subnets
    assert (subnet.name, list(subnet.subnets), subnet.vlan_id) == ("Web", ["10.0.1.0/24"], 7)
    assert inventory[ObjectKey("logical_network", str(LOGICAL))].logical_network.name == "Tenant"
    pool = inventory[ObjectKey("static_address_pool", str(POOL))].static_address_pool
    assert (pool.first_address, pool.last_address) == ("10.0.1.10", "10.0.1.99")
    assert (pool.vm_subnet, pool.logical_network) == ("Web", "Tenant_0")


@pytest.mark.spec("DI-1")
async def test_storage_knows_the_hosts_that_reach_it(inventory: Inventory) -> None:
    share = inventory[ObjectKey("storage_location", str(SHARE))].storage_location
    assert (share.file_share, share.path) == (True, "\\\\fs.shanghai\\GoldShare")
    assert (share.classification, share.capacity_bytes, share.free_bytes) == ("GOLD", 1000, 400)
    assert list(share.host_fqdns) == ["h1.shanghai"]
    gold = inventory[ObjectKey("storage_classification", str(CLASSIFICATION))]
    assert gold.storage_classification.name == "GOLD"
    volume = inventory[ObjectKey("storage_location", str(VOLUME))].storage_location
    assert volume.cluster_shared_volume
    assert (volume.path, volume.classification) == ("C:\\ClusterStorage\\Volume1\\", "SILVER")
    assert list(volume.host_fqdns) == ["h1.shanghai", "h2.shanghai"]
    assert ObjectKey("storage_location", str(UUID(int=98))) not in inventory


async def test_each_pipeline_connects_lists_and_selects(shanghai: Any) -> None:
    await read_inventory(shanghai, vmm_server="vmm.shanghai")
    assert len(shanghai.pipelines) == len(QUESTIONS)
    for connect, *_, selection in shanghai.pipelines:
        assert dict(connect.parameters) == {"ComputerName": "vmm.shanghai"}
        assert selection.name == "Select-Object"


async def test_when_one_kind_cannot_be_read_nothing_is_returned(
    shanghai: Any, failure: PowerShellFailure
) -> None:
    shanghai.answer("Get-SCStorageVolume", failure)
    with pytest.raises(PowerShellFailure):
        await read_inventory(shanghai)


async def test_an_object_without_its_name_is_an_error(shanghai: Any, record: Record) -> None:
    shanghai.answer("Get-SCCloud", [record(ID=CLOUD)])
    with pytest.raises(PropertyError, match="Name is null"):
        await read_inventory(shanghai)


async def test_ten_thousand_machines_are_converted_in_seconds(
    shanghai: Any, record: Record
) -> None:
    machines, drives, disks, adapters = [], [], [], []
    for number in range(10_000):
        vm_id, disk = UUID(int=1000 + number), UUID(int=100_000 + number)
        machines.append(
            record(
                ID=UUID(int=200_000 + number),
                VMId=str(vm_id),
                Name=f"vm{number}",
                HostName="h1.shanghai",
                VirtualMachineState="Running",
                CPUCount=2,
                Memory=1024,
            )
        )
        drives.append(
            record(VMId=str(vm_id), HostName="h1.shanghai", ID=disk, VirtualHardDiskId=disk)
        )
        disks.append(record(ID=disk, Name="d", Location="D:\\d.vhdx", Size=1, MaximumSize=2))
        adapters.append(
            record(
                VMId=str(vm_id),
                HostName="h1.shanghai",
                ID=disk,
                DeviceID=f"Microsoft:{vm_id}\\{disk}",
            )
        )
    shanghai.answer("Get-SCVirtualMachine", machines)
    shanghai.answer("Get-SCVirtualMachineVirtualDiskDrives", drives)
    shanghai.answer("Get-SCVirtualHardDisk", disks)
    shanghai.answer("Get-SCVirtualMachineVirtualNetworkAdapters", adapters)
    started = time.process_time()
    inventory = await read_inventory(shanghai)
    seconds = time.process_time() - started
    assert sum(key.kind == "virtual_machine" for key in inventory) == 10_000
    assert len(shanghai.pipelines) == len(QUESTIONS)
    assert seconds < 15


@pytest.mark.spec("SS-1")
async def test_under_one_vmm_a_machine_and_its_replica_have_their_own_devices(
    shanghai: Any, record: Record
) -> None:
    machines, drives = "Get-SCVirtualMachine", "Get-SCVirtualMachineVirtualDiskDrives"
    vm_id, replica = str(VM_ID).upper(), UUID(int=70)
    shanghai.answer(
        machines,
        [
            *shanghai.answers[machines, ""],
            record(
                ID=replica,
                VMId=vm_id,
                Name="SQL-01",
                HostName="h2.shanghai",
                VirtualMachineState="PowerOff",
                IsRecoveryVM=True,
            ),
        ],
    )
    drive = record(VMId=vm_id, HostName="h2.shanghai", ID=UUID(int=71), VirtualHardDiskId=None)
    shanghai.answer(drives, [drive, *shanghai.answers[drives, ""]])
    inventory = await read_inventory(shanghai)
    primary = inventory[ObjectKey("virtual_machine", str(VM))].virtual_machine
    copy = inventory[ObjectKey("virtual_machine", str(replica))].virtual_machine
    assert (len(primary.disks), len(primary.adapters)) == (2, 1)
    assert (len(copy.disks), len(copy.adapters)) == (1, 0)
