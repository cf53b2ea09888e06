"""A replication as it runs, through the API and `osr`: what an item shows, what can be done."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from django.db import transaction
from django.utils import timezone
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from coordinator.jobs.models import Job
from coordinator.protection import services
from coordinator.protection.models import ProtectedItem, RpoHistory
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect
from tests.integration.api.test_operations import where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("RE-4", "RE-5")]

ONE, TWO = "C:\\Disks\\one.vhdx", "C:\\Disks\\two.vhdx"


def report(
    sites: Sites, item: ProtectedItem, now: datetime, state: str = "Replicating", percent: int = -1
) -> None:
    """Both servers say how the item's sides are."""
    for fabric, host, mode in (
        (sites.shanghai, item.primary_host, "Primary"),
        (sites.beijing, item.recovery_host, "Replica"),
    ):
        told = ReplicationState(
            vm_id=item.vm_id, host=host, mode=mode, state=state, health="Normal", vm_state="Off"
        )
        told.last_replication_time.FromDatetime(now - timedelta(seconds=25))
        if mode == "Primary":
            told.disks.add(path=ONE, replicated=True)
            told.disks.add(path=TWO, replicated=False)
            told.auto_resynchronize = True
            told.auto_resynchronize_start.FromTimedelta(timedelta(hours=18, minutes=30))
            told.auto_resynchronize_end.FromTimedelta(timedelta(hours=6))
            told.successful_replications, told.missed_replications = 90, 10
        else:
            for hours, kind in ((2, "Replica"), (1, "AppConsistentReplica")):
                point = told.recovery_points.add(id=f"point-{hours}", type=kind)
                point.created_at.FromDatetime(now - timedelta(hours=hours))
        if percent >= 0:
            told.copy_percent = percent
        with transaction.atomic():
            services.ingest_replication(fabric.id, [told], now, now)


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now)
    report(sites, made, now)
    return made


def call(
    program: Program,
    sites: Sites,
    item: ProtectedItem,
    method: str,
    operation: str,
    body: object = None,
    **query: str,
) -> Any:
    """A call that Microsoft's client has no method for."""
    group, vault, fabric, cloud = where(program, sites)
    path = (
        f"/subscriptions/{program.subscription_id}/resourceGroups/{group}/providers/"
        f"Microsoft.RecoveryServices/vaults/{vault}/replicationFabrics/{fabric}/"
        f"replicationProtectionContainers/{cloud}/replicationProtectedItems/{item.name}/{operation}"
    )
    request = HttpRequest(method, path, params={"api-version": "2025-08-01", **query}, json=body)
    response = program.site_recovery.send_request(request)
    response.raise_for_status()
    return response.json() if response.content else None


def shown(program: Program, sites: Sites, item: ProtectedItem) -> Any:
    items = program.site_recovery.replication_protected_items
    return items.get(*where(program, sites), item.name).properties


def test_an_item_shows_rpo_disks_window_counters_and_health(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    properties = shown(program, sites, item)
    details = properties.provider_specific_details
    assert (properties.protection_state, properties.policy_friendly_name) == (
        "Protected",
        "Policy-1",
    )
    assert details.vm_protection_state == "Replicating"
    assert 25 <= details["rpoInSeconds"] < 60
    assert details.last_replicated_time is not None
    disks = [(disk.vhd_id, disk.vhd_name, disk["replicated"]) for disk in details.v_m_disk_details]
    assert disks == [(ONE, "one.vhdx", True), (TWO, "two.vhdx", False)]
    assert details["automaticResynchronization"] == {
        "enabled": True,
        "startTime": "18:30:00",
        "endTime": "06:00:00",
    }
    statistics = details["statistics"]
    assert (statistics["successfulCycles"], statistics["missedCycles"]) == (90, 10)
    [error] = properties.health_errors
    assert error.error_code == "DiskNotReplicated"
    assert error.possible_causes
    assert error.recommended_action
    assert properties.replication_health == "Warning"
    assert "PauseReplication" in properties.allowed_operations
    assert "ResumeReplication" not in properties.allowed_operations


def test_progress_of_a_first_copy_and_of_a_resynchronization(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    report(sites, item, timezone.now(), "Resynchronizing", percent=40)
    details = shown(program, sites, item).provider_specific_details
    assert details["resynchronizationProgressPercentage"] == 40
    report(sites, item, timezone.now(), "InitialReplicationInProgress", percent=70)
    details = shown(program, sites, item).provider_specific_details
    assert details.initial_replication_details.initial_replication_progress_percentage == "70"
    assert details["resynchronizationProgressPercentage"] is None


def test_microsofts_client_repairs_and_the_others_are_called_beside_it(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    report(sites, item, timezone.now(), "Suspended")
    items = program.site_recovery.replication_protected_items
    repaired = items.begin_repair_replication(*where(program, sites), item.name).result()
    assert repaired.name == item.name
    report(sites, item, timezone.now())
    added = items.begin_add_disks(
        *where(program, sites),
        item.name,
        {
            "properties": {
                "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2", "vhdIds": [TWO]}
            }
        },
    ).result()
    assert added.name == item.name
    call(program, sites, item, "POST", "pauseReplication")
    job = Job.objects.get(scenario="PauseReplication")
    assert (job.friendly_name, job.target_name) == ("Pause replication", item.friendly_name)
    listed = program.site_recovery.replication_jobs.list(*program.scope)
    scenarios = {each.properties.scenario_name for each in listed}
    assert {"RepairReplication", "ChangeReplicatedDisks", "PauseReplication"} <= scenarios


def test_a_resynchronization_is_scheduled_shown_and_called_off(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    at = (timezone.now() + timedelta(hours=5)).replace(microsecond=0)
    body = {"properties": {"startTime": at.isoformat()}}
    answer = call(program, sites, item, "POST", "resynchronize", body)
    told = answer["properties"]["providerSpecificDetails"]["resynchronizationTime"]
    assert datetime.fromisoformat(told) == at
    call(program, sites, item, "POST", "resynchronize", {"properties": {"startTime": ""}})
    details = shown(program, sites, item).provider_specific_details
    assert details["resynchronizationTime"] is None
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("resumeReplication", None, "OperationNotAllowed"),
        ("repairReplication", None, "OperationNotAllowed"),
        ("resynchronize", {"properties": {"startTime": "soon"}}, "InvalidTime"),
        (
            "resynchronize",
            {"properties": {"startTime": "2020-01-01T00:00:00Z"}},
            "ResynchronizationTimeNotPossible",
        ),
        ("automaticResynchronization", {"properties": {"enabled": "perhaps"}}, "BadRequest"),
        (
            "automaticResynchronization",
            {"properties": {"enabled": True, "startTime": "25:00"}},
            "InvalidTime",
        ),
        ("addDisks", {"properties": {"providerSpecificDetails": {"vhdIds": []}}}, "InvalidDisks"),
        (
            "addDisks",
            {"properties": {"providerSpecificDetails": {"vhdIds": ["E:\\no.vhdx"]}}},
            "DiskNotFound",
        ),
        (
            "removeDisks",
            {"properties": {"providerSpecificDetails": {"vhdIds": [ONE]}}},
            "NoDiskLeft",
        ),
        ("removeDisks", {"properties": {}}, "BadRequest"),
    ],
)
def test_what_cannot_be_done_is_refused_in_four_parts_and_nothing_begins(
    program: Program, sites: Sites, item: ProtectedItem, operation: str, body: object, code: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        call(program, sites, item, "POST", operation, body)
    error = error_of(refused.value)
    assert code in {str(error["code"]), "BadRequest"} or error["code"] == code
    assert error["message"]
    assert not Job.objects.exists()
    fresh = ProtectedItem.objects.get(id=item.id)
    assert (fresh.resynchronize_at, fresh.excluded_disks) == (None, [])


def test_rpo_over_time(program: Program, sites: Sites, item: ProtectedItem) -> None:
    now = timezone.now()
    hour = (now - timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    RpoHistory.objects.create(item=item, span_seconds=300, start=hour, peaks=[None, 40, 90])
    course = call(program, sites, item, "GET", "rpoHistory")
    assert course["resolutionInSeconds"] == 300
    values = [point["rpoInSeconds"] for point in course["value"]]
    assert values[:2] == [40, 90]
    assert 25 <= values[2] < 60
    narrow = call(
        program,
        sites,
        item,
        "GET",
        "rpoHistory",
        **{"from": hour.isoformat(), "to": hour.isoformat()[:13] + ":06:00Z"},
    )
    assert [point["rpoInSeconds"] for point in narrow["value"]] == [40]
    with pytest.raises(HttpResponseError):
        call(program, sites, item, "GET", "rpoHistory", **{"from": "x"})
    with pytest.raises(HttpResponseError):
        call(
            program, sites, item, "GET", "rpoHistory", **{"from": "2030-01-01", "to": "2029-01-01"}
        )


@pytest.mark.spec("UI-2")
def test_osr_shows_and_runs_a_replication(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    text = program.osr("protect", "show", "GoldVM1").stdout
    for expected in ("Replicating", "10 of 100", "18:30:00-06:00:00", "two.vhdx (not replicated)"):
        assert expected in text
    assert "DiskNotReplicated" in text
    assert "Recommended action" in text
    assert "ApplicationConsistent" in text
    assert "RPO in the last 24 hours" in text
    paused = program.osr("protect", "pause", "GoldVM1")
    assert paused.returncode == 0, paused.stderr
    assert "Pause replication of GoldVM1 succeeded" in paused.stdout
    resumed = program.osr("protect", "resume", "GoldVM1")
    assert resumed.returncode == 4
    assert "Nothing has to be done" in resumed.stderr
    disks = program.osr("protect", "disks", "GoldVM1", "--json")
    assert [disk["replicated"] for disk in json.loads(disks.stdout)] == [True, False]
    assert program.osr("protect", "disks", "GoldVM1", "--add", TWO).returncode == 0
    later = program.osr("protect", "resync", "GoldVM1", "--at", "2020-01-01T00:00Z")
    assert later.returncode == 4
    assert program.osr("protect", "resync", "GoldVM1", "--no-auto").returncode == 0
    assert program.osr("protect", "resync", "GoldVM1", "--auto", "--window", "x").returncode == 2
