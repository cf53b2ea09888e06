"""A vault's health and settings, and the list of operations, with Microsoft's clients."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.fabrics.models import Provider
from coordinator.protection.models import ProtectedItem
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]

ERROR = {
    "errorCode": "RpoHigh",
    "errorLevel": "Warning",
    "errorCategory": "Replication",
    "summaryMessage": "The recovery point objective is missed.",
}


@pytest.mark.spec("EV-1")
def test_health_counts_what_fares_how_and_names_what_ails(program: Program, sites: Sites) -> None:
    now = timezone.now()
    pairing = pair(sites, now)
    items = [protect(pairing, machine, now) for machine in sites.machines]
    ProtectedItem.objects.update(health_errors=[ERROR])
    ProtectedItem.objects.filter(id=items[0].id).update(replication_health="Critical")
    health = program.site_recovery.replication_vault_health
    for shown in (health.get(*program.scope), health.begin_refresh(*program.scope).result()):
        assert shown.name == "Default"
        protected = shown.properties.protected_items_health
        assert protected.resource_count == 2
        # The second item's health is no better than its errors.
        assert protected.categorized_resource_counts == {"Critical": 1, "Warning": 1}
        [issue] = protected.issues
        assert (issue.summary_code, issue.severity) == ("RpoHigh", "Warning")
        assert issue.affected_resource_type == "replicationProtectedItems"
        assert sorted(issue.affected_resource_correlation_ids) == sorted(str(i.id) for i in items)
        assert shown.properties.vault_errors == []
        assert shown.properties.fabrics_health.resource_count == 2
        assert shown.properties.containers_health.resource_count == 4


def test_a_server_that_is_away_is_the_issue_of_its_vault(program: Program, sites: Sites) -> None:
    Provider.objects.filter(fabric=sites.beijing).update(
        disconnected_at=timezone.now(), last_heartbeat_at=None
    )
    properties = program.site_recovery.replication_vault_health.get(*program.scope).properties
    assert properties.fabrics_health.categorized_resource_counts == {"Critical": 1, "Normal": 1}
    [issue] = properties.fabrics_health.issues
    assert issue.summary_code == "25018"
    assert issue.affected_resource_correlation_ids == [str(sites.beijing.id)]
    assert properties.containers_health.categorized_resource_counts == {"Critical": 2, "Normal": 2}


def test_there_is_one_health(program: Program, vault: Vault) -> None:
    empty = program.site_recovery.replication_vault_health.get(*program.scope)
    assert empty.properties.protected_items_health.resource_count == 0
    path = f"{program.vault_path}/replicationVaultHealth"
    assert program.send("POST", f"{path}/DEFAULT/refresh").status_code == 200
    assert program.send("POST", f"{path}/other/refresh").status_code == 404


def setting(migration_solution_id: str | None = None) -> asr.VaultSettingCreationInput:
    return asr.VaultSettingCreationInput(
        properties=asr.VaultSettingCreationInputProperties(
            migration_solution_id=migration_solution_id
        )
    )


def test_settings_are_there_and_hold_nothing(program: Program, vault: Vault) -> None:
    settings = program.site_recovery.replication_vault_setting
    [listed] = settings.list(*program.scope)
    assert listed.name == "default"
    assert settings.get(*program.scope, "Default").properties.migration_solution_id is None
    kept = settings.begin_create(*program.scope, "default", setting()).result()
    assert kept.id == listed.id
    with pytest.raises(ResourceNotFoundError):
        settings.get(*program.scope, "other")
    with pytest.raises(HttpResponseError) as refused:
        settings.begin_create(*program.scope, "default", setting("/subscriptions/x")).result()
    error = error_of(refused.value)
    assert (error["code"], error["target"]) == (
        "OperationNotSupported",
        "properties.migrationSolutionId",
    )


def test_the_operations_are_listed_by_the_names_roles_have(program: Program, vault: Vault) -> None:
    listed = list(program.site_recovery.operations.list(program.resource_group))
    names = [each.name for each in listed]
    assert names == sorted(set(names))
    assert names == [each.name for each in program.recovery_services.operations.list()]
    namespace = "Microsoft.RecoveryServices"
    for wanted in (
        f"{namespace}/vaults/read",
        f"{namespace}/vaults/write",
        f"{namespace}/vaults/replicationJobs/cancel/action",
        f"{namespace}/vaults/replicationRecoveryPlans/plannedFailover/action",
    ):
        assert wanted in names
    assert not any("replicationvCenters" in name for name in names)
    assert all(each.display.operation and each.display.provider for each in listed)
