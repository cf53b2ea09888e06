"""The management server itself: VMM's own word about where it runs."""

from typing import Final

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import Question
from agent.powershell.records import PSRecord

MANAGEMENT_SERVER: Final = Question(
    None,
    (
        "FullyQualifiedDomainName",
        "ProductVersion",
        "IsHighlyAvailable",
        "FailoverVMMNodes",
        "ActiveVMMNode",
    ),
)


def management_server(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCVMMServer, whose object has no ID: there is one, and its name stays."""
    fqdn = record.text("FullyQualifiedDomainName")
    active = record.optional_text("ActiveVMMNode") or ""
    nodes = {*record.strings("FailoverVMMNodes"), active} - {""}
    return inventory_pb2.InventoryObject(
        vmm_server=inventory_pb2.ManagementServer(
            id=fqdn.lower(),
            fqdn=fqdn,
            product_version=record.optional_text("ProductVersion") or "",
            highly_available=bool(record.optional_boolean("IsHighlyAvailable")),
            nodes=sorted(nodes or {fqdn}),
            active_node=active,
        )
    )
