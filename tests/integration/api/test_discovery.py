"""Refreshing servers, checking their consistency, and readiness, through Microsoft's client."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.fabrics.models import Provider, VirtualMachine
from coordinator.jobs.models import Job, Step
from coordinator.protection.models import ProtectedItem
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


def change(name: str, **details: object) -> None:
    machine = VirtualMachine.objects.get(name=name)
    machine.details.update(details)
    machine.save()


def ready_because(program: Program, sites: Sites) -> dict[str, Any]:
    items = program.site_recovery.replication_protectable_items
    found = items.list_by_replication_protection_containers(
        *program.scope, sites.shanghai.name, sites.gold1.external_id
    )
    return {item.properties.friendly_name: item.properties for item in found}


@pytest.mark.spec("DI-3", "PR-3", "SS-2")
def test_every_reason_is_in_the_list_with_its_code_and_remedy(
    program: Program, sites: Sites
) -> None:
    pair(sites, timezone.now())
    change("GoldVM2", fibre_channel=True, runs_vmm=True, integration_services_detected=False)
    found = ready_because(program, sites)
    assert found["GoldVM1"].protection_readiness_errors == []
    codes = [text.partition(":")[0] for text in found["GoldVM2"].protection_readiness_errors]
    assert codes == ["VirtualMachineRunsVmm", "FibreChannelAdapter"]
    details = found["GoldVM2"]["protectionReadinessErrorDetails"]
    assert all(each["possibleCauses"] and each["recommendedAction"] for each in details)
    [warning] = found["GoldVM2"]["protectionReadinessWarnings"]
    assert warning["code"] == "IntegrationServicesMissing"
    shown = found["GoldVM2"].custom_details
    assert isinstance(shown, asr.HyperVVirtualMachineDetails)
    assert (shown.has_fibre_channel_adapter, shown.has_shared_vhd) == ("Present", "NotPresent")


@pytest.mark.spec("PR-3")
def test_a_machine_of_an_unpaired_cloud_says_so(program: Program, sites: Sites) -> None:
    [reason] = ready_because(program, sites)["GoldVM1"].protection_readiness_errors
    assert reason.startswith("CloudNotPaired:")


@pytest.mark.spec("DI-3")
def test_a_machine_that_is_not_ready_cannot_be_protected(program: Program, sites: Sites) -> None:
    pairing = pair(sites, timezone.now())
    change("GoldVM1", encrypted=True)
    machine = VirtualMachine.objects.get(name="GoldVM1")
    cloud = (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )
    wanted = asr.EnableProtectionInput(
        {
            "properties": {
                "policyId": f"{program.vault_path}/replicationPolicies/{pairing.policy.name}",
                "protectableItemId": f"{cloud}/replicationProtectableItems/{machine.external_id}",
                "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2"},
            }
        }
    )
    with pytest.raises(HttpResponseError) as refused:
        program.site_recovery.replication_protected_items.begin_create(
            *program.scope, sites.shanghai.name, sites.gold1.external_id, "GoldVM1", wanted
        )
    assert error_of(refused.value)["code"] == "EncryptedVirtualMachine"
    assert not ProtectedItem.objects.exists()


@pytest.mark.spec("DI-2")
def test_a_server_is_refreshed_by_a_job_and_a_second_one_has_to_wait(
    program: Program, sites: Sites
) -> None:
    provider = Provider.objects.get(fabric=sites.shanghai)
    Provider.objects.update(capabilities=["refresh_fabric"])
    providers = program.site_recovery.replication_recovery_services_providers
    where = (*program.scope, sites.shanghai.name, provider.name)
    providers.begin_refresh_provider(*where, polling=False)
    job = Job.objects.get()
    assert (job.scenario, job.target_name) == ("RefreshProvider", "VMM-Shanghai")
    with pytest.raises(HttpResponseError) as busy:
        providers.begin_refresh_provider(*where, polling=False)
    assert error_of(busy.value)["code"] == "532"


@pytest.mark.spec("DI-4")
def test_a_consistency_checks_job_lists_the_inconsistent_machines(
    program: Program, sites: Sites
) -> None:
    Provider.objects.update(capabilities=["refresh_fabric"])
    fabrics = program.site_recovery.replication_fabrics
    fabrics.begin_check_consistency(*program.scope, sites.shanghai.name, polling=False)
    details = {
        "instanceType": "ConsistencyCheckTaskDetails",
        "vmDetails": [
            {
                "vmName": "GoldVM1",
                "cloudName": "GoldCloud1",
                "details": ["In the vault: on hv1. On premises: on hv2."],
                "errorIds": ["HostDiffers"],
            }
        ],
    }
    Step.objects.filter(key="check/compare").update(result={"details": details})
    job: Any = program.site_recovery.replication_jobs.get(*program.scope, str(Job.objects.get().id))
    assert job.properties.scenario_name == "CheckConsistency"
    task = job.properties.tasks[1]
    assert isinstance(task.custom_details, asr.ConsistencyCheckTaskDetails)
    [machine] = task.custom_details.vm_details or []
    assert (machine.vm_name, machine.error_ids) == ("GoldVM1", ["HostDiffers"])


@pytest.mark.spec("DI-2")
def test_a_deleted_machine_is_a_critical_health_error_of_its_item(
    program: Program, sites: Sites
) -> None:
    now = timezone.now()
    item = protect(pair(sites, now), sites.machines[0], now)
    item.fabric_errors = [
        {
            "errorLevel": "Error",
            "errorCode": "VirtualMachineDeleted",
            "errorMessage": "VMM no longer has GoldVM1.",
            "possibleCauses": "It was deleted.",
            "recommendedAction": "Fail over to the replica.",
            "creationTimeUtc": now.isoformat(),
        }
    ]
    item.save()
    items = program.site_recovery.replication_protected_items
    [found] = items.list(*program.scope)
    assert found.properties.replication_health == "Critical"
    [error] = found.properties.health_errors
    assert (error.error_code, error.error_message) == (
        "VirtualMachineDeleted",
        "VMM no longer has GoldVM1.",
    )
