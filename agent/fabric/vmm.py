"""Questions to VMM: a cmdlet that lists one kind of object, and the properties wanted of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from agent.powershell.cmdlet import Cmdlet, select
from agent.powershell.records import PSRecord


@dataclass(frozen=True, eq=False)
class Question:
    """One pipeline that lists everything of a kind.

    Properties are selected on the server: objects deeper than one level would arrive as texts of
    no use, and lists of all properties would be twenty times the bytes.

    Attributes:
        listing: The cmdlet; it gets the connection through the pipeline (-VMMServer by value).
            None: the question is about the connection itself.
        properties: What is wanted of each object.
        between: Cmdlets between the two.
    """

    listing: Cmdlet | None
    properties: tuple[str, ...]
    between: tuple[Cmdlet, ...] = field(default=())

    def pipeline(self, vmm_server: str) -> tuple[Cmdlet, ...]:
        """The pipeline, complete in itself: no runspace need have been connected before."""
        connection = Cmdlet("Get-SCVMMServer", {"ComputerName": vmm_server})
        listing = () if self.listing is None else (self.listing,)
        return (connection, *listing, *self.between, select(*self.properties))

    def where(self, condition: Cmdlet) -> "Question":
        """The same question about those of the listed objects that a condition leaves."""
        return replace(self, between=(condition, *self.between))


def modified_after(mark: datetime) -> Cmdlet:
    """Leaves what VMM says was modified later.

    The time goes in this machine's zone: PowerShell compares the clock faces of two times whatever
    their zones, and VMM's are local to its server, which is where the agent runs.
    """
    value = mark.astimezone()
    return Cmdlet("Where-Object", {"Property": "ModifiedTime", "GT": True, "Value": value})


def with_ids(ids: Iterable[str]) -> Cmdlet:
    """Leaves the objects with these ids of VMM's."""
    value = tuple(UUID(each) for each in sorted(ids))
    return Cmdlet("Where-Object", {"Property": "ID", "In": True, "Value": value})


def object_id(record: PSRecord) -> str:
    """VMM's id, lower case."""
    return str(record.guid("ID"))


def optional_id(record: PSRecord, name: str) -> str:
    """The id of a related object; empty when there is none (null or all zeros)."""
    related = record.optional_guid(name)
    return str(related) if related is not None and related.int else ""


def is_hyper_v(record: PSRecord) -> bool:
    """False for what VMM manages on other hypervisors."""
    return (record.optional_text("VirtualizationPlatform") or "HyperV") == "HyperV"


def unsigned(record: PSRecord, name: str) -> int:
    """A count or size; 0 when VMM does not know it."""
    return max(0, record.optional_integer(name) or 0)
