"""What VMM says about itself."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

from opensiterecovery.provider.v1.registration_pb2 import VmmServer

from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord

PROPERTIES: Final = (
    "FullyQualifiedDomainName",
    "ProductVersion",
    "DatabaseServerName",
    "DatabaseInstanceName",
    "DatabaseName",
)

_INSTALLATIONS: Final = UUID("6d0c33c2-2f0e-4d5c-9a54-5d0d4cf7a8f1")
_LOCAL: Final = frozenset({"", ".", "(local)", "localhost"})


async def read_vmm_server(
    powershell: PowerShell, vmm_server: str, *, time_limit_seconds: float = 120.0
) -> VmmServer:
    """Connects to VMM and reads its name, version and identity.

    Args:
        powershell: Where to run.
        vmm_server: Name of the VMM server or cluster role.
        time_limit_seconds: For the connection, which can take a minute.

    Raises:
        PowerShellError: VMM or its module is missing, or does not answer.
        PropertyError: What answered is no VMM server.

    Source: Get-SCVMMServer.
    """
    [record] = await powershell.run(
        cmdlet("Get-SCVMMServer", ComputerName=vmm_server),
        select(*PROPERTIES),
        time_limit_seconds=time_limit_seconds,
    )
    return VmmServer(
        fqdn=record.text("FullyQualifiedDomainName"),
        product_version=record.text("ProductVersion"),
        installation_id=str(uuid5(_INSTALLATIONS, _installation(record))),
    )


def _installation(record: PSRecord) -> str:
    """VMM's database: the nodes of a VMM cluster share it, and two installations never do."""
    server = (record.optional_text("DatabaseServerName") or "").casefold()
    if server in _LOCAL:
        server = record.text("FullyQualifiedDomainName").casefold()
    names = [server]
    names += [
        (record.optional_text(name) or "").casefold()
        for name in ("DatabaseInstanceName", "DatabaseName")
    ]
    return "\\".join(names)
