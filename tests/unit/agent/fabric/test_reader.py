"""A fabric is read whole now and then; in between a look costs what has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from agent.fabric.discovery import FEW, Vmm
from agent.fabric.inventory import Inventory
from agent.fabric.reader import HOST_LIMIT_SECONDS, FabricReader
from agent.fabric.relationships import relationships
from agent.fabric.virtual_machines import runs_vmm
from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import PowerShellFailure
from agent.powershell.records import PSRecord

Record = Callable[..., PSRecord]
pytestmark = pytest.mark.spec("DI-2")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOLD, SILVER = UUID(int=1), UUID(int=2)
MACHINES = "Get-SCVirtualMachine"


class Site:
    """VMM's machines, each modified at a minute of its own."""

    def __init__(self, powershell: Any, record: Record) -> None:
        self.powershell = powershell
        self.record = record
        self.machines: dict[int, dict[str, object]] = {}
        self.minute = 0
        hosts = [
            record(
                ID=UUID(int=50 + number),
                FullyQualifiedDomainName=f"hv{number}.example",
                VMHostGroup="All Hosts\\Gold" if number == 1 else "All Hosts\\Silver",
                CommunicationState="Responding",
            )
            for number in (1, 2)
        ]
        powershell.answer("Get-SCVMHost", hosts)
        powershell.answer(
            "Get-SCCloud",
            [
                self.cloud(GOLD, "Gold", supported=True),
                self.cloud(SILVER, "Silver", supported=False),
            ],
        )
        for number in range(1, 6):
            self.set(number, Name=f"VM{number}")

    def cloud(self, cloud_id: UUID, name: str, *, supported: bool) -> PSRecord:
        return self.record(
            ID=cloud_id,
            Name=name,
            HostGroup=[PSRecord(text=f"All Hosts\\{name}")],
            DisasterRecoverySupported=supported,
        )

    def set(self, number: int, *, stamp: bool = True, **values: object) -> None:
        """Changes a machine; without a stamp VMM says nothing of when."""
        start: dict[str, object] = {
            "ID": UUID(int=100 + number),
            "VMId": str(UUID(int=200 + number)),
            "HostName": "hv1.example",
            "VirtualMachineState": "Running",
            "CloudId": GOLD,
        }
        machine = self.machines.setdefault(number, start)
        machine.update(values)
        if stamp:
            self.minute += 1
            machine["ModifiedTime"] = NOON + timedelta(minutes=self.minute)
        self.publish()

    def remove(self, number: int) -> None:
        del self.machines[number]
        self.publish()

    def publish(self) -> None:
        self.powershell.answer(MACHINES, [self.record(**each) for each in self.machines.values()])

    def asked(self) -> list[str]:
        """Questions since the last call, without those about what is few."""
        few = {question.listing.name for question in FEW if question.listing is not None}
        names = [name for name in self.powershell.names() if name not in {*few, "Get-SCVMMServer"}]
        self.powershell.pipelines.clear()
        return names


@pytest.fixture
def site(powershell: Any, record: Record) -> Site:
    return Site(powershell, record)


@pytest.fixture
def reader(powershell: Any) -> FabricReader:
    return FabricReader(Vmm(powershell), monotonic=lambda: 0.0)


def machines(inventory: Inventory) -> dict[str, str]:
    """Names of machines with their hosts."""
    return {
        item.virtual_machine.name: item.virtual_machine.host_fqdn
        for key, item in inventory.items()
        if key.kind == "virtual_machine"
    }


async def test_a_look_without_changes_asks_what_changed_and_for_a_census(
    site: Site, reader: FabricReader
) -> None:
    first = await reader.look()
    site.asked()
    second = await reader.look()
    assert site.asked() == [MACHINES, MACHINES]
    assert first == second
    for key, item in second.items():
        if key.kind == "virtual_machine":
            assert item is first[key]


async def test_only_machines_that_changed_are_read_again(site: Site, reader: FabricReader) -> None:
    first = await reader.look()
    site.asked()
    site.set(3, Name="renamed")
    second = await reader.look()
    assert machines(second).keys() == {"VM1", "VM2", "renamed", "VM4", "VM5"}
    assert len(site.asked()) == 2 + 3
    again = {key for key, item in second.items() if item is not first.get(key)}
    assert [key.id for key in again if key.kind == "virtual_machine"] == [str(UUID(int=103))]


async def test_a_time_still_to_come_hides_no_change_before_it(
    site: Site, reader: FabricReader
) -> None:
    site.set(1, stamp=False, ModifiedTime=datetime(2999, 1, 1, tzinfo=UTC))
    await reader.look()
    site.set(2, Name="Renamed")
    assert "Renamed" in machines(await reader.look())


async def test_what_moves_or_goes_without_a_trace_is_noticed_by_the_census(
    site: Site, reader: FabricReader
) -> None:
    await reader.look()
    site.set(2, stamp=False, HostName="hv2.example")
    assert machines(await reader.look())["VM2"] == "hv2.example"
    site.remove(4)
    assert machines(await reader.look()).keys() == {"VM1", "VM2", "VM3", "VM5"}
    site.set(9, stamp=False, Name="new")
    assert "new" in machines(await reader.look())


async def test_machines_the_product_leaves_out_do_not_upset_the_census(
    site: Site, reader: FabricReader
) -> None:
    site.set(7, Name="stored", HostType="LibraryServer", HostName="library.example")
    await reader.look()
    site.asked()
    await reader.look()
    assert len(site.asked()) == 2


async def test_everything_is_read_again_at_its_interval_and_when_asked(
    site: Site, powershell: Any
) -> None:
    seconds = 0.0
    reader = FabricReader(Vmm(powershell), 900.0, lambda: seconds)
    await reader.look()
    site.set(1, stamp=False, Name="silently renamed")
    assert "silently renamed" not in machines(await reader.look())
    assert "silently renamed" in machines(await reader.look(whole=True))
    site.set(1, stamp=False, Name="renamed back")
    seconds = 900.0
    assert "renamed back" in machines(await reader.look())


async def test_a_look_that_fails_forgets_nothing(
    site: Site, reader: FabricReader, powershell: Any, failure: PowerShellFailure
) -> None:
    await reader.look()
    site.set(5, Name="renamed")
    powershell.answer("Get-SCVMNetwork", failure)
    with pytest.raises(PowerShellFailure):
        await reader.look()
    powershell.answer("Get-SCVMNetwork", [])
    assert "renamed" in machines(await reader.look())


@pytest.mark.spec("DI-1")
async def test_only_chosen_clouds_are_told_of_with_their_hosts_and_machines(
    site: Site, reader: FabricReader
) -> None:
    site.set(2, CloudId=SILVER, HostName="hv2.example")
    site.set(3, CloudId=None)
    site.set(4, CloudId=None, IsRecoveryVM=True)
    reader.chosen_clouds_only = True
    told = await reader.look()
    assert machines(told).keys() == {"VM1", "VM4", "VM5"}
    names = {item.cloud.name for key, item in told.items() if key.kind == "cloud"}
    hosts = {item.host.fqdn for key, item in told.items() if key.kind == "host"}
    assert (names, hosts) == ({"Gold"}, {"hv1.example"})
    reader.chosen_clouds_only = False
    assert len(machines(await reader.look())) == 5


def relationship(record: Record, number: int, **changes: object) -> PSRecord:
    values: dict[str, object] = {
        "VMId": UUID(int=200 + number),
        "ReplicationMode": "Primary",
        "ReplicationState": "Replicating",
        "ReplicationHealth": "Normal",
        "ReplicationRelationshipType": "Simple",
        "PrimaryServerName": "hv1.example",
        "ReplicaServerName": "hv9.example",
        "ReplicationFrequencySec": 300,
        "AuthenticationType": "Kerberos",
        "ReplicaServerPort": 80,
    }
    return record(**{**values, **changes})


@pytest.mark.spec("DI-1", "RE-6")
async def test_relationships_that_others_made_come_with_their_machines(
    site: Site, reader: FabricReader, powershell: Any, record: Record, failure: PowerShellFailure
) -> None:
    powershell.answer("Get-VMReplication", [relationship(record, 1)], "hv1.example")
    powershell.answer("Get-VMReplication", failure, "hv2.example")
    told = {
        item.virtual_machine.name: item.virtual_machine.replication
        for key, item in (await reader.look()).items()
        if key.kind == "virtual_machine"
    }
    assert (told["VM1"].mode, told["VM1"].replica_server) == ("Primary", "hv9.example")
    assert (told["VM1"].frequency_seconds, told["VM1"].authentication) == (300, "Kerberos")
    assert not told["VM2"].mode
    assert reader.unread_hosts == {"hv2.example"}


class Limits:
    """A PowerShell that notes how long each first cmdlet may take."""

    def __init__(self, powershell: Any) -> None:
        self._powershell = powershell
        self.seconds: dict[str, float] = {}

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        self.seconds[pipeline[0].name] = time_limit_seconds
        found: list[PSRecord] = await self._powershell.run(
            *pipeline, time_limit_seconds=time_limit_seconds
        )
        return found


@pytest.mark.spec("DI-2")
async def test_a_host_has_less_time_to_answer_than_vmm(site: Site, powershell: Any) -> None:
    limits = Limits(powershell)
    await FabricReader(Vmm(limits)).look()
    assert limits.seconds["Get-VMReplication"] == HOST_LIMIT_SECONDS
    assert limits.seconds["Get-SCVMMServer"] > HOST_LIMIT_SECONDS


@pytest.mark.spec("DI-4")
async def test_a_host_counts_as_unread_until_it_has_answered(
    site: Site, reader: FabricReader, powershell: Any, failure: PowerShellFailure
) -> None:
    """A look at what has changed does not ask it, and says nothing of what it would have said."""
    powershell.answer("Get-VMReplication", failure, "hv2.example")
    await reader.look()
    await reader.look()
    assert reader.unread_hosts == {"hv2.example"}
    powershell.answer("Get-VMReplication", [], "hv2.example")
    await reader.look(whole=True)
    assert reader.unread_hosts == frozenset()


@pytest.mark.spec("DI-4")
async def test_a_host_that_vmm_does_not_reach_counts_as_unread(
    site: Site, reader: FabricReader, powershell: Any, record: Record
) -> None:
    silent = record(
        ID=UUID(int=51),
        FullyQualifiedDomainName="hv1.example",
        VMHostGroup="All Hosts\\Gold",
        CommunicationState="NotResponding",
    )
    powershell.answer("Get-SCVMHost", [silent])
    await reader.look()
    assert reader.unread_hosts == {"hv1.example"}


async def test_a_host_that_cannot_be_asked_keeps_what_it_said(
    site: Site, reader: FabricReader, powershell: Any, record: Record, failure: PowerShellFailure
) -> None:
    powershell.answer("Get-VMReplication", [relationship(record, 1)], "hv1.example")
    before = await reader.look()
    powershell.answer("Get-VMReplication", failure, "hv1.example")
    assert await reader.look(whole=True) == before


@pytest.mark.spec("RE-7")
async def test_of_a_machine_that_a_command_changed_only_what_its_host_says_since_counts(
    site: Site, reader: FabricReader, powershell: Any, record: Record, failure: PowerShellFailure
) -> None:
    """VMM shows it neither as changed nor as one side of a replication."""
    both = [relationship(record, 1), relationship(record, 2)]
    powershell.answer("Get-VMReplication", both, "hv1.example")
    await reader.look()

    async def modes(**options: Any) -> list[str]:
        seen = [item.virtual_machine for item in (await reader.look(**options)).values()]
        told = {machine.name: machine.replication.mode for machine in seen if machine.name}
        return [told["VM1"], told["VM2"]]

    powershell.answer("Get-VMReplication", both[1:], "hv1.example")
    assert await modes() == ["Primary", "Primary"]
    touched = {("hv1.example", str(UUID(int=201)))}
    assert await modes(touched=touched) == ["", "Primary"]
    powershell.answer("Get-VMReplication", both, "hv1.example")
    assert await modes(touched=touched) == ["Primary", "Primary"]
    powershell.answer("Get-VMReplication", failure, "hv1.example")
    assert await modes(touched=touched) == ["", "Primary"]


def test_an_extended_relationship_is_told_with_the_first(record: Record) -> None:
    extended = relationship(
        record, 1, ReplicationRelationshipType="Extended", ReplicaServerName="third.example"
    )
    for records in ([extended, relationship(record, 1)], [relationship(record, 1), extended]):
        [found] = relationships(records).values()
        assert (found.replica_server, found.extended) == ("hv9.example", True)


@pytest.mark.parametrize(
    ("computer", "name", "expected"),
    [
        ("vmm.example.com", "anything", True),
        ("VMM", "anything", True),
        ("vmm.other.com", "vmm", False),
        ("Unknown", "VMM", True),
        ("Unknown", "VMM2", False),
        ("sql.example.com", "vmm", False),
        (None, "Web01", False),
    ],
)
@pytest.mark.spec("SS-2")
def test_the_machine_vmm_runs_in_is_known_by_its_computer_name(
    record: Record, computer: str | None, name: str, expected: bool
) -> None:
    machine = record(ComputerNameString=computer, Name=name)
    assert runs_vmm(machine, ["vmm.example.com"]) is expected
