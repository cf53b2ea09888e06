"""The failover family with Microsoft's client, and what a machine allows."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.protection.models import ProtectedItem, RecoveryPoint
from coordinator.protection.states import ProtectionState
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect
from tests.integration.api.test_operations import container_id, item_path, where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now)
    RecoveryPoint.objects.create(item=made, point_id="point-1", time=now, type="CrashConsistent")
    return made


def point_id(program: Program, sites: Sites, item: ProtectedItem) -> str:
    return f"{item_path(program, sites, item)}/recoveryPoints/point-1"


@pytest.mark.spec("FO-3", "FO-4")
def test_the_sdk_fails_over_without_the_source_changes_the_point_and_cancels(
    program: Program, sites: Sites, engine: ScriptedEngine, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    address = (*where(program, sites), item.name)
    moved = items.begin_unplanned_failover(
        *address,
        asr.UnplannedFailoverInput(
            properties=asr.UnplannedFailoverInputProperties(
                failover_direction="PrimaryToRecovery",
                source_site_operations="NotRequired",
                provider_specific_details=asr.HyperVReplicaAzureUnplannedFailoverInput(
                    recovery_point_id=point_id(program, sites, item)
                ),
            )
        ),
    ).result()
    properties = moved.properties
    assert properties.protection_state == "UnplannedFailoverCommitPendingStatesBegin"
    assert properties.active_location == "Recovery"
    assert properties.failover_recovery_point_id.lower() == point_id(program, sites, item).lower()
    assert properties["failoverDetails"]["lostAtMostSeconds"] == 60
    assert properties.allowed_operations == [
        "Commit",
        "ChangePit",
        "CancelFailover",
        "ReverseReplicate",
        "DisableProtection",
        "AbandonFailover",
    ]
    [job] = program.site_recovery.replication_jobs.list(*program.scope)
    details = job.properties.custom_details
    assert isinstance(details, asr.FailoverJobDetails)
    assert details.protected_item_details is not None
    [told] = details.protected_item_details
    assert (told.recovery_point_id, told["lostAtLeastSeconds"]) == ("point-1", 35)

    changed = items.begin_apply_recovery_point(
        *address,
        asr.ApplyRecoveryPointInput(
            properties=asr.ApplyRecoveryPointInputProperties(
                recovery_point_id=point_id(program, sites, item),
                provider_specific_details=asr.HyperVReplicaAzureApplyRecoveryPointInput(),
            )
        ),
    ).result()
    assert changed.properties.active_location == "Recovery"
    back = items.begin_failover_cancel(*address).result()
    assert back.properties.protection_state == "Protected"
    assert back.properties.active_location == "Primary"
    assert back.properties["failoverDetails"] is None
    names = [
        each.properties.scenario_name
        for each in program.site_recovery.replication_jobs.list(*program.scope)
    ]
    assert names == ["CancelFailover", "ChangePit", "UnplannedFailover"]


@pytest.mark.spec("FO-6")
def test_every_operation_is_told_with_why_not_and_what_would_allow_it(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    address = f"{item_path(program, sites, item)}/operations"
    told = {each["name"]: each for each in program.send("GET", address).json()["value"]}
    allowed = {name for name, each in told.items() if each["allowed"]}
    assert {"PlannedFailover", "UnplannedFailover", "TestFailover", "DisableProtection"} <= allowed
    assert told["Commit"]["recommendedAction"] == "Fail over first."
    for each in told.values():
        assert each["allowed"] is not bool(each["reason"])
    program.send("POST", f"{item_path(program, sites, item)}/plannedFailover", json={})
    busy = program.send("GET", address).json()["value"]
    assert not any(each["allowed"] for each in busy)
    assert all("Planned failover" in each["reason"] for each in busy)


@pytest.mark.spec("FO-3", "FO-6")
@pytest.mark.parametrize(
    ("action", "properties", "code"),
    [
        ("unplannedFailover", {"sourceSiteOperations": "Maybe"}, "InvalidSourceSiteOperations"),
        (
            "unplannedFailover",
            {"providerSpecificDetails": {"recoveryTag": "Newest"}},
            "InvalidRecoveryTag",
        ),
        (
            "unplannedFailover",
            {"providerSpecificDetails": {"recoveryPointId": "{item}/recoveryPoints/gone"}},
            "RecoveryPointNotFound",
        ),
        (
            "unplannedFailover",
            {"providerSpecificDetails": {"recoveryPointId": "{items}/other/recoveryPoints/p"}},
            "RecoveryPointOfAnotherItem",
        ),
        (
            "unplannedFailover",
            {"providerSpecificDetails": {"recoveryTag": "LatestAvailableApplicationConsistent"}},
            "RecoveryPointNotFound",
        ),
        (
            "unplannedFailover",
            {"failoverDirection": "RecoveryToPrimary"},
            "FailoverDirectionNotPossible",
        ),
        ("applyRecoveryPoint", {}, "RecoveryPointMissing"),
        (
            "applyRecoveryPoint",
            {"recoveryPointId": "{item}/recoveryPoints/point-1"},
            "OperationNotAllowed",
        ),
        ("failoverCancel", {}, "OperationNotAllowed"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_help(
    program: Program,
    sites: Sites,
    item: ProtectedItem,
    action: str,
    properties: dict[str, object],
    code: str,
) -> None:
    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {key: filled(member) for key, member in value.items()}
        text = str(value).replace("{item}", item_path(program, sites, item))
        return text.replace("{items}", f"{container_id(program, sites)}/replicationProtectedItems")

    answer = program.send(
        "POST",
        f"{item_path(program, sites, item)}/{action}",
        json={"properties": filled(properties)},
    )
    assert answer.status_code in {400, 409}
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["details"]
    item.refresh_from_db()
    assert item.state == ProtectionState.PROTECTED


def test_a_refused_failover_reaches_the_sdk_as_an_error_with_its_code(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    with pytest.raises(HttpResponseError) as caught:
        items.begin_failover_cancel(*where(program, sites), item.name)
    assert error_of(caught.value)["code"] == "OperationNotAllowed"
