"""What a dry run finds: one rule at a time, on a run that nothing stands against."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.checks import check
from coordinator.recovery.dry_run.facts import (
    AdapterFacts,
    HostFacts,
    MachineFacts,
    RunFacts,
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
        scripts=(("DNS", r"RPScripts\Dns.ps1"),),
        manual_actions=1,
        unmeasured=("start_failover",),
    )
    assert found(facts) == [
        ("Error", "532", "Shop"),
        ("Warning", "ReplicationNotHealthy", "db"),
        ("Information", "PlanScriptNotLookedAt", "DNS"),
        ("Information", "PlanWaitsForPeople", "Shop"),
        ("Information", "ForecastUnmeasured", "Shop"),
    ]
