"""What a dry run finds: one rule at a time, on a run that nothing stands against."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.checks import check
from coordinator.recovery.dry_run.facts import (
    AdapterFacts,
    DiskFacts,
    HostFacts,
    MachineFacts,
    PlaceFacts,
    PoolFacts,
    RunFacts,
    ScriptFacts,
    SeenScript,
    ServerFacts,
)

pytestmark = pytest.mark.spec("RP-6")

GIB = 1 << 30
HOST = "hv1.beijing.test"
WELL = MachineFacts(
    name="db",
    source=("Primary", "Replicating"),
    target=("Replica", "Replicating"),
    rpo_seconds=20,
    target_host=HOST,
    memory_bytes=8 * GIB,
    adapters=(AdapterFacts(source_network="Prod", target_network="Prod-B"),),
)
ROOM = HostFacts(name=HOST, total_memory_bytes=64 * GIB, available_memory_bytes=32 * GIB)
PLANNED, UNPLANNED, TEST = (
    Operation.PLANNED_FAILOVER,
    Operation.UNPLANNED_FAILOVER,
    Operation.TEST_FAILOVER,
)


def run(
    operation: Operation = PLANNED, *machines: MachineFacts, host: HostFacts = ROOM
) -> RunFacts:
    return RunFacts(
        plan="Shop",
        operation=operation,
        source=ServerFacts(name="VMM-Shanghai", registered=True, connected=True),
        target=ServerFacts(name="VMM-Beijing", registered=True, connected=True),
        hosts=(host,),
        machines=machines or (WELL,),
    )


def found(facts: RunFacts) -> list[tuple[str, str, str]]:
    findings = check(facts)
    for each in findings:
        failure = each.failure
        assert all((failure.message, failure.possible_causes, failure.recommended_action))
    return [(str(each.severity), each.failure.code, each.object_name) for each in findings]


@pytest.mark.parametrize("operation", [PLANNED, UNPLANNED, TEST])
def test_nothing_is_found_where_nothing_is_wrong(operation: Operation) -> None:
    assert not found(run(operation))


@pytest.mark.parametrize(
    ("operation", "severity"), [(PLANNED, "Error"), (UNPLANNED, "Warning"), (TEST, None)]
)
def test_what_a_lost_source_means_depends_on_the_run(
    operation: Operation, severity: str | None
) -> None:
    away = ServerFacts(name="VMM-Shanghai", registered=True, connected=False)
    wanted = [] if severity is None else [(severity, "ProviderNotConnected", "VMM-Shanghai")]
    assert found(replace(run(operation), source=away)) == wanted


@pytest.mark.parametrize("operation", [PLANNED, UNPLANNED, TEST])
def test_nothing_goes_without_the_target(operation: Operation) -> None:
    gone = ServerFacts(name="VMM-Beijing", registered=False, connected=False)
    assert found(replace(run(operation), target=gone)) == [
        ("Error", "ProviderNotRegistered", "VMM-Beijing")
    ]


@pytest.mark.parametrize(
    ("operation", "machine", "severity", "code"),
    [
        (PLANNED, replace(WELL, source=("Primary", "Suspended")), "Error", "ReplicationNotReady"),
        (
            UNPLANNED,
            replace(WELL, target=("Replica", "FailedOver")),
            "Error",
            "ReplicationNotReady",
        ),
        (PLANNED, replace(WELL, target=None), "Warning", "ReplicationNotSeen"),
        (TEST, replace(WELL, health="Critical"), "Warning", "ReplicationNotHealthy"),
        (UNPLANNED, replace(WELL, rpo_seconds=901), "Warning", "ReplicaFarBehind"),
        (UNPLANNED, replace(WELL, recovery_points=0), "Warning", "NoRecoveryPoint"),
        (PLANNED, replace(WELL, over="db is there."), "Information", "MachineIsOver"),
        (
            PLANNED,
            replace(WELL, adapters=(AdapterFacts(source_network="Prod", target_network=""),)),
            "Warning",
            "NetworkNotMapped",
        ),
        (
            PLANNED,
            replace(
                WELL,
                adapters=(
                    AdapterFacts(source_network="A", target_network="B", lacks_address=True),
                ),
            ),
            "Warning",
            "FailoverAddressMissing",
        ),
        (
            PLANNED,
            replace(
                WELL,
                adapters=(AdapterFacts(source_network="A", target_network="B", problem="Odd."),),
            ),
            "Warning",
            "AdapterHasProblem",
        ),
    ],
)
def test_each_machine_is_looked_at(
    operation: Operation, machine: MachineFacts, severity: str, code: str
) -> None:
    assert found(run(operation, machine)) == [(severity, code, "db")]


@pytest.mark.parametrize(
    ("operation", "severity"), [(PLANNED, "Error"), (UNPLANNED, "Warning"), (TEST, "Error")]
)
def test_an_unplanned_failover_goes_without_a_machine_that_cannot(
    operation: Operation, severity: str
) -> None:
    refusal = Failure("OperationNotAllowed", "No.", ("It is being copied.",), "Wait.")
    assert found(run(operation, WELL, replace(WELL, name="web", refusal=refusal))) == [
        (severity, "OperationNotAllowed", "web")
    ]


@pytest.mark.parametrize(
    ("host", "machines", "expected"),
    [
        (ROOM, 4, []),
        (ROOM, 5, [("Warning", "RecoveryHostMemoryShort", HOST)]),
        (ROOM, 9, [("Error", "RecoveryHostMemoryShort", HOST)]),
        (replace(ROOM, maintenance=True), 1, [("Warning", "RecoveryHostInMaintenance", HOST)]),
        (replace(ROOM, known=False), 1, [("Error", "RecoveryHostGone", HOST)]),
        (HostFacts(name=HOST), 1, [("Information", "RecoveryHostMemoryUnknown", HOST)]),
    ],
)
def test_hosts_have_room_for_all_that_go_to_them(
    host: HostFacts, machines: int, expected: list[tuple[str, str, str]]
) -> None:
    assert found(run(PLANNED, *[WELL] * machines, host=host)) == expected


def test_machines_that_stay_need_no_room() -> None:
    over = replace(WELL, over="db is there.")
    assert {code for _, code, _ in found(run(PLANNED, *[over] * 9))} == {"MachineIsOver"}


def test_errors_come_first() -> None:
    facts = replace(
        run(PLANNED, replace(WELL, health="Warning")),
        refusals=(Failure("532", "Busy.", ("A job runs.",), "Wait."),),
        scripts=(ScriptFacts(name="DNS", path=r"RPScripts\Dns.ps1"),),
        remarks=(Failure("Kept", "Kept in order.", ("A job.",), "Nothing."),),
        manual_actions=1,
        unmeasured=("start_failover",),
    )
    assert found(facts) == [
        ("Error", "532", "Shop"),
        ("Warning", "ReplicationNotHealthy", "db"),
        ("Information", "PlanScriptNotLookedAt", "DNS"),
        ("Information", "Kept", "Shop"),
        ("Information", "PlanWaitsForPeople", "Shop"),
        ("Information", "ForecastUnmeasured", "Shop"),
    ]


SEEN = SeenScript(
    looked_at=datetime(2026, 11, 23, tzinfo=UTC),
    exists=True,
    readable=True,
    runnable=True,
    sha256="5e" * 32,
)
SCRIPT = ScriptFacts(name="DNS", path="Dns.ps1", server="VMM-Beijing", sha256="5e" * 32, seen=SEEN)


@pytest.mark.spec("RP-2")
@pytest.mark.parametrize(
    ("script", "code"),
    [
        (SCRIPT, None),
        (replace(SCRIPT, sha256=""), None),
        (replace(SCRIPT, seen=replace(SEEN, runnable=None)), None),
        (replace(SCRIPT, sha256="00" * 32), "PlanScriptChanged"),
        (replace(SCRIPT, seen=replace(SEEN, exists=False, readable=False)), "PlanScriptNotFound"),
        (replace(SCRIPT, seen=replace(SEEN, readable=False, sha256="")), "PlanScriptNotReadable"),
        (replace(SCRIPT, seen=replace(SEEN, runnable=False)), "PlanScriptNotAllowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize(("stops", "severity"), [(True, "Error"), (False, "Warning")])
def test_scripts_are_there_may_run_and_are_the_ones_wanted(
    script: ScriptFacts, code: str | None, stops: bool, severity: str
) -> None:
    facts = replace(run(), scripts=(replace(script, stops=stops),))
    assert found(facts) == ([] if code is None else [(severity, code, "DNS")])


PLACE = r"D:\Replicas of hv1.beijing.test"
ON_DISK = replace(
    WELL,
    disks=(
        DiskFacts(place=PLACE, size_bytes=40 * GIB),
        DiskFacts(place=PLACE, size_bytes=100 * GIB),
    ),
)


@pytest.mark.parametrize(
    ("free_gib", "machines", "expected"),
    [
        # Memory of 8 GiB, and a tenth of 140 GiB.
        (22, 1, []),
        (21, 1, [("Warning", "RecoveryStorageShort", PLACE)]),
        (7, 1, [("Error", "RecoveryStorageShort", PLACE)]),
        (22, 2, [("Warning", "RecoveryStorageShort", PLACE)]),
        (None, 1, [("Information", "RecoveryStorageUnknown", PLACE)]),
    ],
)
@pytest.mark.parametrize("operation", [PLANNED, UNPLANNED, TEST])
def test_storage_has_room_for_what_machines_write_and_their_memory(
    operation: Operation,
    free_gib: int | None,
    machines: int,
    expected: list[tuple[str, str, str]],
) -> None:
    free_bytes = None if free_gib is None else free_gib * GIB
    place = PlaceFacts(name=PLACE, free_bytes=free_bytes)
    going = [replace(ON_DISK, name=f"m{number}") for number in range(machines)]
    assert found(replace(run(operation, *going), places=(place,))) == expected


def test_storage_that_vmm_does_not_know_is_told_once() -> None:
    disks = tuple(replace(disk, place="") for disk in ON_DISK.disks)
    facts = run(PLANNED, *[replace(ON_DISK, name=name, disks=disks) for name in "ab"])
    assert found(facts) == [
        ("Information", "RecoveryStorageUnknown", "the storage of hv1.beijing.test")
    ]


ADDRESSED = AdapterFacts(
    source_network="A", target_network="B", address="10.2.0.7", adapter_id="me", pool_id="p"
)
POOL = PoolFacts(name="Pool B", size=10, given={"10.2.0.7": "me"})


@pytest.mark.parametrize(
    ("adapter", "pools", "code"),
    [
        (ADDRESSED, {"p": POOL}, None),
        (ADDRESSED, {"p": replace(POOL, given=None)}, None),
        (ADDRESSED, {"p": replace(POOL, given={"10.2.0.7": ""})}, None),
        (ADDRESSED, {}, "AddressPoolGone"),
        (ADDRESSED, {"p": replace(POOL, given={})}, "AddressNotReserved"),
        (ADDRESSED, {"p": replace(POOL, given={"10.2.0.7": "other"})}, "AddressHeldByOther"),
        (replace(ADDRESSED, connected=False), {"p": POOL}, "ReplicaNotConnected"),
        (replace(ADDRESSED, target_known=False), {"p": POOL}, "TargetNetworkGone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_addresses_are_kept_for_the_machines_and_for_nobody_else(
    adapter: AdapterFacts, pools: dict[str, PoolFacts], code: str | None
) -> None:
    facts = replace(run(PLANNED, replace(WELL, adapters=(adapter,))), pools=pools)
    assert found(facts) == ([] if code is None else [("Warning", code, "db")])
    # A test has addresses of its own.
    assert not found(replace(facts, operation=TEST))


def test_two_machines_that_are_to_have_one_address_are_told() -> None:
    twins = [replace(WELL, name=name, adapters=(ADDRESSED,)) for name in "ab"]
    unread = replace(POOL, given=None)
    assert found(replace(run(PLANNED, *twins), pools={"p": unread})) == [
        ("Warning", "AddressGivenTwice", "a"),
        ("Warning", "AddressGivenTwice", "b"),
    ]


def test_a_test_network_has_an_address_for_everybody() -> None:
    adapter = AdapterFacts(source_network="A", target_network="B", test_pool_id="t")
    machines = [replace(WELL, name=name, adapters=(adapter,)) for name in "abc"]
    pool = PoolFacts(name="Test pool", size=4, given={"10.9.0.1": "x", "10.9.0.2": ""})
    assert found(replace(run(TEST, *machines), pools={"t": pool})) == [
        ("Warning", "TestAddressMissing", "c")
    ]
    assert not found(replace(run(TEST, *machines[:2]), pools={"t": pool}))


def test_a_machine_alone_that_cannot_is_an_error_whatever_the_failover() -> None:
    refusal = Failure("OperationNotAllowed", "No.", ("It is being copied.",), "Wait.")
    facts = run(UNPLANNED, replace(WELL, refusal=refusal))
    assert found(replace(facts, alone=True)) == [("Error", "OperationNotAllowed", "db")]
