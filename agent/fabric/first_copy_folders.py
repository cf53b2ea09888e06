"""Folders that offline first copies were exported to, as they are below a path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyFolder

from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.interface import PowerShell

FOLDER_PROPERTIES = ("Name", "Files", "SizeBytes", "NewestWrite")

_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True)
class Folder:
    """A folder <VMName>_<VMGUID> with all that is in it."""

    name: str
    files: int
    size_bytes: int
    newest_write: datetime | None

    def add_to(self, answer: FirstCopyFolder) -> None:
        """Writes its figures into a message of the wire."""
        answer.folder = self.name
        answer.files = min(self.files, _UINT32_MAX)
        answer.size_bytes = self.size_bytes
        if self.newest_write is not None:
            answer.newest_write.FromDatetime(self.newest_write)


async def read_folders(
    powershell: PowerShell, host: str, path: str, *, time_limit_seconds: float
) -> list[Folder]:
    """Lists the exported folders below a path.

    Args:
        powershell: Where to run.
        host: FQDN of the Hyper-V host; a local path is one of its own.
        path: Local path or share.
        time_limit_seconds: For the one pipeline.

    Returns:
        Every folder that is named like an export; none when the path does not exist.

    Raises:
        PowerShellError, PropertyError: The path could not be looked at.

    Source: Get-OsrInitialReplication of the product's module.
    """
    found = await powershell.run(
        cmdlet("Get-OsrInitialReplication", ComputerName=host, Path=path),
        select(*FOLDER_PROPERTIES),
        time_limit_seconds=time_limit_seconds,
    )
    return [
        Folder(
            record.text("Name"),
            record.integer("Files"),
            record.integer("SizeBytes"),
            record.optional_moment("NewestWrite"),
        )
        for record in found
    ]


def folder_of(vm_id: UUID | str, folders: Iterable[Folder]) -> Folder | None:
    """The folder of one machine: its name ends in the machine's id, whatever the machine's name."""
    ending = f"_{vm_id}".casefold()
    return next((each for each in folders if each.name.casefold().endswith(ending)), None)
