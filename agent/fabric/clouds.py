"""VMM clouds."""

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
    ),
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
