"""VMM clouds, with the host groups and capability profiles they are made of."""

from collections.abc import Iterable
from typing import Final

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import Question, object_id
from agent.powershell.cmdlet import cmdlet
from agent.powershell.records import PSRecord

CLOUDS: Final = Question(
    cmdlet("Get-SCCloud"),
    (
        "ID",
        "Name",
        "Description",
        "HostGroup",
        "CapabilityProfiles",
        "LogicalNetworks",
        "StorageClassifications",
        "DisasterRecoverySupported",
    ),
)
HOST_GROUPS: Final = Question(cmdlet("Get-SCVMHostGroup"), ("ID", "Name", "Path"))
CAPABILITY_PROFILES: Final = Question(
    cmdlet("Get-SCCapabilityProfile"), ("ID", "Name", "Description", "FabricCapabilityType")
)


def chosen_clouds(records: Iterable[PSRecord]) -> list[PSRecord]:
    """Those chosen for site recovery in VMM: Set-SCCloud -DisasterRecoverySupported $true."""
    return [record for record in records if record.optional_boolean("DisasterRecoverySupported")]


def host_group(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCVMHostGroup."""
    return inventory_pb2.InventoryObject(
        host_group=inventory_pb2.HostGroup(
            id=object_id(record), name=record.text("Name"), path=record.text("Path")
        )
    )


def capability_profile(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCCapabilityProfile."""
    return inventory_pb2.InventoryObject(
        capability_profile=inventory_pb2.CapabilityProfile(
            id=object_id(record),
            name=record.text("Name"),
            description=record.optional_text("Description") or "",
            fabric=record.optional_text("FabricCapabilityType") or "",
        )
    )


def cloud(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCCloud. The text of a host group is its path, of the others their name."""
    return inventory_pb2.InventoryObject(
        cloud=inventory_pb2.Cloud(
            id=object_id(record),
            name=record.text("Name"),
            description=record.optional_text("Description") or "",
            host_group_paths=sorted(record.strings("HostGroup")),
            capability_profiles=sorted(record.strings("CapabilityProfiles")),
            logical_networks=sorted(record.strings("LogicalNetworks")),
            storage_classifications=sorted(record.strings("StorageClassifications")),
        )
    )
