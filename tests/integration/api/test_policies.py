"""Replication policies through Microsoft's client."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.protection.models import Policy
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


def wanted(**changes: Any) -> asr.CreatePolicyInput:
    fields = {
        "replication_frequency_in_seconds": 30,
        "recovery_points": 4,
        "application_consistent_snapshot_frequency_in_hours": 0,
        "compression": "Enable",
        "initial_replication_method": "OverNetwork",
        "replication_port": 8084,
        "allowed_authentication_type": 2,
        "replica_deletion": "Required",
        **changes,
    }
    return asr.CreatePolicyInput(
        properties=asr.CreatePolicyInputProperties(
            provider_specific_input=asr.HyperVReplicaBluePolicyInput(**fields)
        )
    )


@pytest.mark.spec("PO-1")
def test_a_policy_is_made_read_listed_and_deleted(program: Program, sites: Sites) -> None:
    policies = program.site_recovery.replication_policies
    made = policies.begin_create(*program.scope, "Policy-1", wanted()).result()
    assert made.id == f"{program.vault_path}/replicationPolicies/Policy-1"
    details = policies.get(*program.scope, "policy-1").properties.provider_specific_details
    assert isinstance(details, asr.HyperVReplicaBluePolicyDetails)
    assert details.replication_frequency_in_seconds == 30
    assert details.allowed_authentication_type == 2
    assert details.compression == "Enabled"
    assert details.replica_deletion_option == "SecondaryVMOnRecoveryCloud"
    assert [policy.name for policy in policies.list(*program.scope)] == ["Policy-1"]
    policies.begin_delete(*program.scope, "Policy-1").result()
    policies.begin_delete(*program.scope, "Policy-1").result()
    with pytest.raises(ResourceNotFoundError):
        policies.get(*program.scope, "Policy-1")


@pytest.mark.spec("PO-4")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"replication_frequency_in_seconds": 31}, "replicationFrequencyInSeconds"),
        ({"recovery_points": 25}, "recoveryPoints"),
        ({"recovery_points": "many"}, "recoveryPoints"),
        (
            {"application_consistent_snapshot_frequency_in_hours": 4},
            "applicationConsistentSnapshotFrequencyInHours",
        ),
        ({"compression": "Yes"}, "compression"),
        ({"initial_replication_method": "ByCourier"}, "initialReplicationMethod"),
        ({"replication_port": 0}, "replicationPort"),
        ({"allowed_authentication_type": 3}, "allowedAuthenticationType"),
        ({"replica_deletion": "Maybe"}, "replicaDeletion"),
        ({"online_replication_start_time": "25:00:00"}, "onlineReplicationStartTime"),
    ],
)
def test_a_bad_field_is_refused_by_name_and_value(
    program: Program, sites: Sites, changes: dict[str, Any], field: str
) -> None:
    policies = program.site_recovery.replication_policies
    with pytest.raises(HttpResponseError) as error:
        policies.begin_create(*program.scope, "Policy-1", wanted(**changes)).result()
    assert error.value.status_code == 400
    body = error_of(error.value)
    assert body["target"] == field
    assert field in body["message"]
    assert str(next(iter(changes.values()))) in body["message"]
    assert body["details"][0]["possibleCauses"]
    assert not Policy.objects.exists()


def test_a_body_that_is_no_policy_is_refused(program: Program, sites: Sites) -> None:
    path = f"{program.vault_path}/replicationPolicies/Policy-1"
    malformed: list[dict[str, Any]] = [
        {"data": b"{"},
        {"data": b""},
        {"json": []},
        {"json": {"properties": 3}},
        {"json": {"properties": {"providerSpecificInput": "x"}}},
        {"json": {"properties": {}}},
        {"json": {"properties": {"providerSpecificInput": {"instanceType": "A2A"}}}},
    ]
    for options in malformed:
        answer = program.send("PUT", path, **options)
        assert answer.status_code == 400, options
        assert answer.json()["error"]["details"][0]["recommendedAction"]


@pytest.mark.spec("PO-4")
def test_a_policy_in_use_cannot_be_deleted(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    with pytest.raises(HttpResponseError) as error:
        program.site_recovery.replication_policies.begin_delete(*program.scope, "Policy-1").result()
    assert error.value.status_code == 409
    assert error_of(error.value)["code"] == "PolicyInUse"


def change(**fields: Any) -> asr.UpdatePolicyInput:
    return asr.UpdatePolicyInput(
        properties=asr.UpdatePolicyInputProperties(
            replication_provider_settings=asr.HyperVReplicaBluePolicyInput(**fields)
        )
    )


@pytest.mark.spec("PO-4")
def test_a_policy_in_use_is_changed_by_a_patch_or_by_a_put(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    policies = program.site_recovery.replication_policies
    changed = policies.begin_update(
        *program.scope, "Policy-1", change(recovery_points=8, compression="Disable")
    ).result()
    details = changed.properties.provider_specific_details
    assert (details.recovery_points, details.compression) == (8, "Disabled")
    policies.begin_create(*program.scope, "Policy-1", wanted(recovery_points=3)).result()
    details = policies.get(*program.scope, "Policy-1").properties.provider_specific_details
    assert (details.recovery_points, details.compression) == (3, "Enabled")


@pytest.mark.spec("PO-4")
def test_a_bad_change_is_refused_by_name_and_value_and_changes_nothing(
    program: Program, sites: Sites
) -> None:
    pair(sites, timezone.now())
    policies = program.site_recovery.replication_policies
    before = policies.get(*program.scope, "Policy-1").as_dict()
    with pytest.raises(HttpResponseError) as error:
        policies.begin_update(*program.scope, "Policy-1", change(recovery_points=25)).result()
    assert error.value.status_code == 400
    assert error_of(error.value)["target"] == "recoveryPoints"
    with pytest.raises(ResourceNotFoundError):
        policies.begin_update(*program.scope, "none", change(recovery_points=2)).result()
    assert policies.get(*program.scope, "Policy-1").as_dict() == before
