"""Test failover and its clean-up with Microsoft's client."""

from __future__ import annotations

import pytest
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.protection.models import ProtectedItem, RecoveryPoint
from coordinator.recovery.models import Drill
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, add_networks, pair, protect
from tests.integration.api.test_operations import container_id, item_path, where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now)
    RecoveryPoint.objects.create(item=made, point_id="point-1", time=now, type="CrashConsistent")
    add_networks(sites)
    return made


def network(program: Program, sites: Sites, name: str) -> str:
    vault = container_id(program, sites).partition("/replicationFabrics/")[0]
    return f"{vault}/replicationFabrics/{sites.beijing.name}/replicationNetworks/{name}"


@pytest.mark.spec("FO-1")
def test_the_sdk_tests_a_machine_looks_at_the_job_and_cleans_up_with_notes(
    program: Program, sites: Sites, engine: ScriptedEngine, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    address = (*where(program, sites), item.name)
    tested = items.begin_test_failover(
        *address,
        asr.TestFailoverInput(
            properties=asr.TestFailoverInputProperties(
                failover_direction="PrimaryToRecovery",
                network_type="VmNetworkAsInput",
                network_id=network(program, sites, "bj2"),
                provider_specific_details=asr.HyperVReplicaAzureTestFailoverInput(
                    recovery_point_id=f"{item_path(program, sites, item)}/recoveryPoints/point-1"
                ),
            )
        ),
    ).result()
    assert tested.properties.test_failover_state == "Active"
    assert "clean" in tested.properties.test_failover_state_description
    assert tested.properties.protection_state == "Protected"
    assert tested.properties.last_successful_test_failover_time is None
    assert tested.properties.allowed_operations == ["TestFailoverCleanup", *_replication(tested)]
    [job] = program.site_recovery.replication_jobs.list(*program.scope)
    details = job.properties.custom_details
    assert isinstance(details, asr.TestFailoverJobDetails)
    assert (details.test_failover_status, details.network_type) == ("Active", "VmNetworkAsInput")
    assert details.network_friendly_name == "VMNetwork2-Beijing"
    assert details.protected_item_details is not None
    [told] = details.protected_item_details
    assert (told.test_vm_friendly_name, told.subnet) == ("GoldVM1 - Test", "Frontend")
    assert told.network_connection_status == "Connected"
    cleaned = items.begin_test_failover_cleanup(
        *address,
        asr.TestFailoverCleanupInput(
            properties=asr.TestFailoverCleanupInputProperties(comments="The database came up.")
        ),
    ).result()
    assert cleaned.properties.test_failover_state == "None"
    assert cleaned.properties.last_successful_test_failover_time is not None
    history = program.send("GET", f"{item_path(program, sites, item)}/testFailovers").json()
    [row] = history["value"]
    assert (row["notes"], row["counts"]) == ("The database came up.", True)


def _replication(item: asr.ReplicationProtectedItem) -> list[str]:
    """What concerns replication stays allowed."""
    assert item.properties is not None
    allowed = item.properties.allowed_operations or []
    return [name for name in allowed if name != "TestFailoverCleanup"]


@pytest.mark.spec("FO-1", "FO-6")
@pytest.mark.parametrize(
    ("action", "properties", "code"),
    [
        ("testFailover", {"networkType": "Any"}, "InvalidNetworkType"),
        ("testFailover", {"networkType": "VmNetworkAsInput"}, "TestNetworkMissing"),
        (
            "testFailover",
            {"networkType": "VmNetworkAsInput", "networkId": "none"},
            "TestNetworkNotFound",
        ),
        (
            "testFailover",
            {"networkType": "LogicalNetworkAsInput", "networkId": "none"},
            "TestNetworkNotFound",
        ),
        (
            "testFailover",
            {"providerSpecificDetails": {"recoveryPointId": "{item}/recoveryPoints/gone"}},
            "RecoveryPointNotFound",
        ),
        (
            "testFailover",
            {"failoverDirection": "RecoveryToPrimary"},
            "FailoverDirectionNotPossible",
        ),
        ("testFailoverCleanup", {"comments": "x"}, "OperationNotAllowed"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_what_would_help(
    program: Program,
    sites: Sites,
    item: ProtectedItem,
    action: str,
    properties: dict[str, object],
    code: str,
) -> None:
    path = item_path(program, sites, item)

    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {key: filled(member) for key, member in value.items()}
        return str(value).replace("{item}", path)

    answer = program.send("POST", f"{path}/{action}", json={"properties": filled(properties)})
    assert answer.status_code in {400, 409}
    assert answer.json()["error"]["code"] == code
    assert not Drill.objects.exists()
