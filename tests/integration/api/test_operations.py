"""Operations a job carries out, with Microsoft's client waiting for them."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.config.waiting import wait_for
from coordinator.failures import Failure
from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem, RecoveryPoint
from coordinator.protection.states import ProtectionState
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]

FAILURE = Failure("HostBusy", "hv1 is busy.", ("A checkpoint merges.",), "Wait and try again.")


def container_id(program: Program, sites: Sites) -> str:
    return (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )


def where(program: Program, sites: Sites) -> tuple[str, str, str, str]:
    return (*program.scope, sites.shanghai.name, sites.gold1.external_id)


def planned(direction: str = "PrimaryToRecovery") -> asr.PlannedFailoverInput:
    # The words older clients add must not be refused.
    return asr.PlannedFailoverInput(
        {
            "properties": {
                "failoverDirection": direction,
                "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2"},
                "skipTestFailoverCleanup": "True",
            }
        }
    )


def test_the_sdk_pairs_protects_fails_over_commits_and_reverses(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    client = program.site_recovery
    begun = time.monotonic()
    fields = {
        "instanceType": "HyperVReplica2012R2",
        "replicationFrequencyInSeconds": 30,
        "recoveryPoints": 4,
    }
    policy = client.replication_policies.begin_create(
        *program.scope, "Policy-1", {"properties": {"providerSpecificInput": fields}}
    ).result()
    target = container_id(program, sites).replace(sites.shanghai.name, sites.beijing.name)
    target = target.replace(sites.gold1.external_id, sites.gold2.external_id)
    mapping = client.replication_protection_container_mappings.begin_create(
        *where(program, sites),
        "Pair-1",
        asr.CreateProtectionContainerMappingInput(
            properties=asr.CreateProtectionContainerMappingInputProperties(
                policy_id=policy.id, target_protection_container_id=target
            )
        ),
    ).result()
    assert mapping.properties.state == "Paired"
    assert mapping.properties.policy_id == policy.id
    assert mapping.properties.target_protection_container_id == target
    # What the job's steps would have noted of the hosts.
    protect_hosts(sites)

    items = client.replication_protected_items
    item = items.begin_create(
        *where(program, sites),
        "Item-1",
        asr.EnableProtectionInput(
            properties=asr.EnableProtectionInputProperties(
                policy_id=policy.id,
                protectable_item_id=f"{container_id(program, sites)}/replicationProtectableItems"
                f"/{sites.machines[0].external_id}",
            )
        ),
    ).result()
    assert item.properties.friendly_name == "GoldVM1"
    assert item.properties.protection_state == "Protected"
    assert "PlannedFailover" in item.properties.allowed_operations
    assert isinstance(
        item.properties.provider_specific_details, asr.HyperVReplicaBlueReplicationDetails
    )

    moved = items.begin_planned_failover(*where(program, sites), "Item-1", planned()).result()
    assert moved.properties.active_location == "Recovery"
    assert moved.properties.allowed_operations == [
        "Commit",
        "ChangePit",
        "CancelFailover",
        "ReverseReplicate",
        "DisableProtection",
        "AbandonFailover",
    ]
    final = items.begin_failover_commit(*where(program, sites), "Item-1").result()
    assert final.properties.allowed_operations == ["ReverseReplicate", "DisableProtection"]
    back = items.begin_reprotect(
        *where(program, sites),
        "Item-1",
        asr.ReverseReplicationInput(
            properties=asr.ReverseReplicationInputProperties(failover_direction="RecoveryToPrimary")
        ),
    ).result()
    assert back.properties.protection_state == "Protected"
    # Five operations; without Retry-After on the polls each would wait the client's 30 s.
    assert time.monotonic() - begun < 60
    scenarios = [
        job.properties.scenario_name for job in client.replication_jobs.list(*program.scope)
    ]
    assert scenarios == [
        "ReverseReplication",
        "CommitFailover",
        "PlannedFailover",
        "EnableDr",
        "AssociateProtectionProfile",
    ]
    assert len(list(client.replication_protection_container_mappings.list(*program.scope))) == 1
    assert len(list(items.list(*program.scope))) == 1


def protect_hosts(sites: Sites) -> None:
    from coordinator.fabrics.models import Host  # noqa: PLC0415 - one test's
    from coordinator.protection.models import PairedHost, Pairing  # noqa: PLC0415

    pairing = Pairing.objects.get()
    for host in Host.objects.filter(name__in=["hv1.shanghai.example", "hv1.beijing.example"]):
        PairedHost.objects.create(
            pairing=pairing,
            host=host,
            certificate_thumbprint="AB" * 20,
            storage_location="C:\\Replica",
            configured_at=timezone.now(),
        )


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    return protect(pair(sites, now), sites.machines[0], now)


def item_path(program: Program, sites: Sites, item: ProtectedItem) -> str:
    return f"{container_id(program, sites)}/replicationProtectedItems/{item.name}"


def test_an_operation_is_202_with_addresses_of_its_job_and_no_body(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    path = item_path(program, sites, item)
    answer = program.send("POST", f"{path}/plannedFailover", json={"properties": {}})
    assert (answer.status_code, answer.content) == (202, b"")
    job = Job.objects.get()
    version = "?api-version=2025-08-01"
    vault = f"{program.server.url}{program.vault_path}"
    assert answer.headers["Azure-AsyncOperation"] == (
        f"{vault}/replicationOperationStatus/{job.id}{version}"
    )
    assert answer.headers["Location"] == (
        f"{program.server.url}{path}/operationresults/{job.id}{version}"
    )
    assert answer.headers["x-ms-request-id"] == f"{program.vault_path}/replicationJobs/{job.id}"
    assert answer.headers["Retry-After"].isdigit()

    status = program.send("GET", f"{program.vault_path}/replicationOperationStatus/{job.id}")
    assert (status.status_code, status.json()["status"]) == (200, "InProgress")
    assert status.headers["Retry-After"].isdigit()
    result = program.send("GET", f"{path}/operationresults/{job.id}")
    assert (result.status_code, result.content) == (202, b"")
    assert result.headers["Location"] == answer.headers["Location"]


def test_a_failed_job_is_an_error_with_all_four_parts(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.fail_next(FAILURE)
    items = program.site_recovery.replication_protected_items
    with pytest.raises(HttpResponseError) as error:
        items.begin_planned_failover(*where(program, sites), item.name, planned()).result()
    assert error.value.error is not None
    assert error.value.error.code == "HostBusy"
    assert error.value.error.message == "hv1 is busy."
    body = error_of(error.value)["details"][0]
    assert body["possibleCauses"] == "A checkpoint merges."
    assert body["recommendedAction"] == "Wait and try again."
    job = Job.objects.get()
    location = program.send("GET", f"{item_path(program, sites, item)}/operationresults/{job.id}")
    assert location.status_code == 409
    assert location.json()["error"]["code"] == "HostBusy"
    read = program.site_recovery.replication_jobs.get(*program.scope, str(job.id))
    assert read.properties.state == "Failed"
    assert read.properties.errors[0].service_error_details.code == "HostBusy"


@pytest.mark.spec("FO-6")
def test_a_second_operation_on_a_busy_item_is_refused_at_once_naming_the_running_job(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    items.begin_planned_failover(*where(program, sites), item.name, planned(), polling=False)
    running = Job.objects.get()
    begun = time.monotonic()
    with pytest.raises(ResourceExistsError) as error:
        items.begin_failover_commit(*where(program, sites), item.name)
    assert time.monotonic() - begun < 5
    body = error_of(error.value)
    assert body["code"] == "532"
    assert str(running.id) in body["message"]
    assert "Planned failover" in body["message"]
    shown = items.get(*where(program, sites), item.name).properties
    assert shown.allowed_operations == []
    assert shown.current_scenario.scenario_name == "PlannedFailover"
    assert Job.objects.count() == 1


@pytest.mark.spec("FO-6")
def test_an_operation_the_state_does_not_allow_says_why_and_what_would(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    with pytest.raises(ResourceExistsError) as error:
        items.begin_failover_commit(*where(program, sites), item.name)
    body = error_of(error.value)
    assert body["code"] == "OperationNotAllowed"
    assert body["details"][0]["possibleCauses"]
    assert body["details"][0]["recommendedAction"] == "Fail over first."


def test_a_repeated_request_finds_its_job_again(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    path = f"{item_path(program, sites, item)}/plannedFailover"
    headers = {"x-ms-client-request-id": str(uuid4())}
    answers = [program.send("POST", path, json={}, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert answers[0].headers["x-ms-client-request-id"] == headers["x-ms-client-request-id"]
    assert Job.objects.count() == 1


def test_client_request_ids_that_are_too_long_to_keep_are_still_told_apart(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.fail_next(FAILURE)
    path = f"{item_path(program, sites, item)}/plannedFailover"
    jobs = []
    for end in ("1", "1", "2"):
        headers = {"x-ms-client-request-id": "r" * 100 + end}
        answer = program.send("POST", path, json={}, headers=headers)
        assert answer.status_code == 202
        jobs.append(answer.headers["Azure-AsyncOperation"])
        wait_for("the job", lambda: not Job.objects.filter(finished_at=None), limit_seconds=20)
        ProtectedItem.objects.update(state=ProtectionState.PROTECTED)
    assert jobs[0] == jobs[1] != jobs[2]


def test_names_that_cannot_be_asked_for_again_are_refused(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    cloud = container_id(program, sites)
    mapping = {
        "targetProtectionContainerId": cloud,
        "policyId": f"{program.vault_path}/replicationPolicies/Policy-1",
    }
    machine_id = f"{cloud}/replicationProtectableItems/{item.protectable_item_id}"
    machine = {"protectableItemId": machine_id}
    for name in ("x" * 129, " ", " x", "a%3Fb", "a%23b", "a%5Cb", "%C2%85"):
        for kind, properties in (
            ("replicationProtectionContainerMappings", mapping),
            ("replicationProtectedItems", machine),
        ):
            path = f"{cloud}/{kind}/{name}"
            answer = program.send("PUT", path, json={"properties": properties})
            assert answer.status_code == 400, (path, answer.text)
            assert answer.json()["error"]["code"] == "InvalidResourceName"


def test_a_wrong_direction_is_refused_by_name(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    with pytest.raises(HttpResponseError) as error:
        items.begin_planned_failover(*where(program, sites), item.name, planned("Sideways"))
    assert error_of(error.value)["target"] == "failoverDirection"
    with pytest.raises(ResourceExistsError):
        items.begin_planned_failover(
            *where(program, sites), item.name, planned("RecoveryToPrimary")
        )


def test_machines_that_cannot_be_protected_are_refused(program: Program, sites: Sites) -> None:
    container = container_id(program, sites)

    def enable(machine: str, name: str = "Item-1") -> tuple[int, str]:
        body = {
            "properties": {
                "protectableItemId": f"{container}/replicationProtectableItems/{machine}"
            }
        }
        answer = program.send("PUT", f"{container}/replicationProtectedItems/{name}", json=body)
        return answer.status_code, answer.json()["error"]["code"]

    machine = sites.machines[0].external_id
    assert enable(machine) == (409, "CloudNotPaired")
    now = timezone.now()
    pairing = pair(sites, now)
    assert enable(str(uuid4())) == (404, "NotFound")
    protect(pairing, sites.machines[0], now)
    assert enable(machine) == (409, "VirtualMachineAlreadyProtected")
    assert not Job.objects.exists()


def test_recovery_points_are_listed_newest_first(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    now = timezone.now()
    for name in ("old", "new"):
        RecoveryPoint.objects.create(item=item, point_id=name, time=now, type="CrashConsistent")
    points = program.site_recovery.recovery_points
    found = list(points.list_by_replication_protected_items(*where(program, sites), item.name))
    assert [point.name for point in found] == ["new", "old"]
    assert found[0].properties.recovery_point_type == "CrashConsistent"
    read = points.get(*where(program, sites), item.name, "old")
    assert read.id == found[1].id


@pytest.mark.spec("JB-1")
def test_jobs_are_listed_by_filter(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.fail_next(FAILURE)
    items = program.site_recovery.replication_protected_items
    with pytest.raises(HttpResponseError):
        items.begin_planned_failover(*where(program, sites), item.name, planned()).result()
    ProtectedItem.objects.update(state=ProtectionState.PROTECTED)
    engine.hold()
    items.begin_planned_failover(*where(program, sites), item.name, planned(), polling=False)

    def listed(text: str) -> list[Any]:
        return list(program.site_recovery.replication_jobs.list(*program.scope, filter=text))

    assert len(listed("jobStatus eq 'Failed'")) == 1
    assert len(listed("JobStatus eq 'Failed,InProgress,NotStarted'")) == 2
    assert (
        len(listed("startTime eq '2020-01-01T00:00:00Z' and endTime eq '2021-01-01T00:00:00Z'"))
        == 0
    )
    assert len(listed("startTime eq '2020-01-01T00:00:00.0000000Z'")) == 2
    assert len(listed(f"fabricId eq '{sites.shanghai.name}'")) == 2
    assert len(listed("fabricId eq 'other'")) == 0
    assert len(listed("endTime eq '9999-12-31T23:59:59.9999999Z'")) == 2
    assert len(listed("affectedObjectTypes eq 'ProtectionEntity'")) == 2
    for wrong in ("jobStatus eq 'Sleeping'", "colour eq 'red'", "startTime eq 'noon'"):
        with pytest.raises(HttpResponseError) as error:
            listed(wrong)
        assert error_of(error.value)["target"] == "$filter"
