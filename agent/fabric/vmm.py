"""Questions to VMM: a cmdlet that lists one kind of object, and the properties wanted of it."""

from dataclasses import dataclass, field

from agent.powershell.cmdlet import Cmdlet, select
from agent.powershell.records import PSRecord


@dataclass(frozen=True, eq=False)
class Question:
    """One pipeline that lists everything of a kind.

    Properties are selected on the server: objects deeper than one level would arrive as texts of
    no use, and lists of all properties would be twenty times the bytes.

    Attributes:
        listing: The cmdlet; it gets the connection through the pipeline (-VMMServer by value).
        properties: What is wanted of each object.
        between: Cmdlets between the two.
    """

    listing: Cmdlet
    properties: tuple[str, ...]
    between: tuple[Cmdlet, ...] = field(default=())

    def pipeline(self, vmm_server: str) -> tuple[Cmdlet, ...]:
        """The pipeline, complete in itself: no runspace need have been connected before."""
        connection = Cmdlet("Get-SCVMMServer", {"ComputerName": vmm_server})
        return (connection, self.listing, *self.between, select(*self.properties))


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
