"""A PowerShell that answers from a table, and objects in the shape VMM and Hyper-V give them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import pytest

from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import ErrorDetail, PowerShellFailure
from agent.powershell.records import PSRecord

Answer: TypeAlias = Sequence[PSRecord] | Exception


def narrowed(records: Sequence[PSRecord], pipeline: tuple[Cmdlet, ...]) -> Sequence[PSRecord]:
    """What Where-Object and Group-Object of a pipeline make of the records."""
    for part in pipeline:
        name, value = str(part.parameters.get("Property")), part.parameters.get("Value")
        if part.name == "Where-Object" and part.parameters.get("In"):
            assert isinstance(value, tuple)
            records = [each for each in records if each.properties.get(name) in value]
        elif part.name == "Where-Object":
            assert part.parameters.get("GT") is True
            assert isinstance(value, datetime)
            times = {each: each.optional_moment(name) for each in records}
            records = [each for each, at in times.items() if at is not None and at > value]
        elif part.name == "Group-Object":
            records = grouped(records, part)
    return records


def grouped(records: Sequence[PSRecord], part: Cmdlet) -> Sequence[PSRecord]:
    assert part.parameters["NoElement"] is True
    names = part.parameters["Property"]
    assert isinstance(names, tuple)
    counted = Counter(
        ", ".join(each.optional_text(str(name)) or "" for name in names) for each in records
    )
    return [PSRecord({"Name": name, "Count": count}) for name, count in counted.items()]


class FakePowerShell:
    """Answers a pipeline by the cmdlet that lists, and by -ComputerName where there is one."""

    def __init__(self) -> None:
        self.pipelines: list[tuple[Cmdlet, ...]] = []
        self.answers: dict[tuple[str, str], Answer] = {}
        self.failed = asyncio.Event()

    def answer(self, name: str, answer: Answer, host: str = "") -> None:
        self.answers[name, host] = answer

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        assert time_limit_seconds > 0
        self.pipelines.append(pipeline)
        selection = pipeline[-1]
        assert selection.name == "Select-Object"
        found = self.answers.get(self._question(pipeline), ())
        if isinstance(found, Exception):
            self.failed.set()
            raise found
        wanted = selection.parameters["Property"]
        assert isinstance(wanted, tuple)
        # Select-Object gives null for what an object does not have.
        return [
            PSRecord({str(name): record.properties.get(str(name)) for name in wanted})
            for record in narrowed(found, pipeline)
        ]

    def names(self) -> list[str]:
        return [self._question(pipeline)[0] for pipeline in self.pipelines]

    def _question(self, pipeline: tuple[Cmdlet, ...]) -> tuple[str, str]:
        listing = [part for part in pipeline if part.name != "Select-Object"]
        first = listing[0]
        if first.name == "Get-SCVMMServer":
            if len(listing) == 1:
                return (first.name, "")
            unfolded = [str(part.parameters.get("ExpandProperty", "")) for part in pipeline]
            return (listing[1].name + "".join(unfolded), "")
        expanded = "".join(str(part.parameters.get("ExpandProperty", "")) for part in pipeline)
        return (listing[-1].name + expanded, str(first.parameters.get("ComputerName", "")))


@pytest.fixture
def powershell() -> FakePowerShell:
    return FakePowerShell()


@pytest.fixture
def record() -> Callable[..., PSRecord]:
    return lambda **properties: PSRecord(properties)


@pytest.fixture
def failure() -> PowerShellFailure:
    return PowerShellFailure(ErrorDetail("OperationFailed,X", "NotSpecified", "no"))


HYPER_V: Mapping[str, object] = {
    "replication": {
        "ReplicationMode": "Primary",
        "ReplicationState": "Replicating",
        "ReplicationHealth": "Normal",
        "ReplicationRelationshipType": "Simple",
        "PrimaryServerName": "h1.shanghai",
        "ReplicaServerName": "h1.beijing",
        "CurrentReplicaServerName": "h1.beijing",
        "ReplicationFrequencySec": 30,
        "LastReplicationTime": datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC),
        "LastAppliedLogTime": None,
    },
    "measure": {
        "ReplicationRelationshipType": "Simple",
        "CurrentTask": [],
        "PendingReplicationSize": 4096,
        "AverageReplicationSize": 1_000_000,
        "AverageReplicationLatency": timedelta(seconds=1.5),
        "SuccessfulReplicationCount": 12,
        "MissedReplicationCount": 1,
        "ReplicationErrors": 2,
        "ReplicationHealthDetails": ["One cycle was missed."],
    },
}


@pytest.fixture
def hyper_v() -> Callable[..., PSRecord]:
    """Makes records: hyper_v("vm" | "replication" | "measure" | "snapshot", vm_id, changes...)."""

    def make(kind: str, vm_id: UUID, **changes: object) -> PSRecord:
        if kind == "vm":
            base: dict[str, object] = {
                "Id": vm_id,
                "Name": "SQL-01",
                "State": "Running",
                "ReplicationMode": "Primary",
                "ReplicationState": "Replicating",
            }
        elif kind == "snapshot":
            base = {"VMId": vm_id, "SnapshotType": "Replica"}
        else:
            known = HYPER_V[kind]
            assert isinstance(known, dict)
            base = {"VMId": vm_id, **known}
        return PSRecord({**base, **changes})

    return make
