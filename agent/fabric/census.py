"""Counting VMM's machines by host, state and cloud, to notice what moved or went at little cost."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from agent.fabric.vmm import Question, object_id, optional_id
from agent.powershell.cmdlet import Cmdlet, cmdlet
from agent.powershell.records import PSRecord

_EVERY_MACHINE: Final = cmdlet("Get-SCVirtualMachine", All=True)
_COUNTED: Final = ("HostName", "VirtualMachineState", "CloudId")

# One line for each host, state and cloud that occur together, however many machines there are.
CENSUS: Final = Question(
    _EVERY_MACHINE,
    ("Name", "Count"),
    between=(Cmdlet("Group-Object", {"Property": _COUNTED, "NoElement": True}),),
)
# Every machine, with as little as tells which ones moved or went.
WHEREABOUTS: Final = Question(_EVERY_MACHINE, ("ID", *_COUNTED))


class Whereabouts(NamedTuple):
    """Where VMM has a machine, and in what state; texts as VMM gives them."""

    host: str
    state: str
    cloud: str


def whereabouts(record: PSRecord) -> Whereabouts:
    """Source: Get-SCVirtualMachine; also of machines that the product leaves out."""
    return Whereabouts(
        (record.optional_text("HostName") or "").casefold(),
        record.optional_text("VirtualMachineState") or "",
        optional_id(record, "CloudId"),
    )


def whereabouts_by_id(records: Iterable[PSRecord]) -> dict[str, Whereabouts]:
    """By VMM's id."""
    return {object_id(record): whereabouts(record) for record in records}


def census_of(machines: Mapping[str, Whereabouts]) -> Counter[Whereabouts]:
    """What a census would count if VMM had exactly these machines."""
    return Counter(machines.values())


def read_census(records: Iterable[PSRecord]) -> Counter[Whereabouts]:
    """What was counted. The name of a group is its values, with commas between."""
    counted: Counter[Whereabouts] = Counter()
    for record in records:
        host, state, cloud = (
            value.strip() for value in f"{record.text('Name')},,".split(",")[: len(_COUNTED)]
        )
        counted[Whereabouts(host.casefold(), state, cloud.lower())] += record.integer("Count")
    return counted
