"""Pairs of clouds beyond making and removing them, through Microsoft's client and our own calls."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.fabrics.models import Cloud, Host
from coordinator.jobs.models import Job
from tests.integration.api.programs import API_VERSION, Program, error_of
from tests.integration.api.sites import Sites, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


def container(program: Program, cloud: Cloud) -> str:
    return (
        f"{program.vault_path}/replicationFabrics/{cloud.fabric.name}"
        f"/replicationProtectionContainers/{cloud.external_id}"
    )


def mapping(program: Program, sites: Sites) -> str:
    return f"{container(program, sites.gold1)}/replicationProtectionContainerMappings/Pair-1"


@pytest.mark.spec("PA-3", "PO-3")
def test_the_hosts_of_a_pair_are_listed_with_their_certificates(
    program: Program, sites: Sites
) -> None:
    pair(sites, timezone.now())
    path = mapping(program, sites)
    hosts = program.send("GET", f"{path}/hosts").json()["value"]
    shown = {host["name"]: host["properties"]["state"] for host in hosts}
    assert set(shown) == {
        "hv1.shanghai.example",
        "hv2.shanghai.example",
        "hv1.beijing.example",
        "hv2.beijing.example",
    }
    first = hosts[0]["properties"]
    assert {"certificateThumbprint", "certificateExpiresAt", "connectionPoint"} <= set(first)


@pytest.mark.spec("PR-1")
def test_prerequisites_can_be_read_beforehand_all_at_once(program: Program, sites: Sites) -> None:
    path = f"{container(program, sites.gold1)}/pairingPrerequisites"
    answer = program.send("GET", path)
    assert answer.json().get("properties") == {"met": True, "healthErrors": []}
    Cloud.objects.filter(pk=sites.gold1.pk).update(
        details={**sites.gold1.details, "capability_profiles": []}
    )
    old = Host.objects.get(name="hv1.beijing.example")
    old.details["operating_system_version"] = "6.1"
    old.save()
    target = container(program, sites.gold2)
    found = program.send("GET", path, params={**API_VERSION, "target": target}).json()["properties"]
    assert not found["met"]
    assert [error["errorCode"] for error in found["healthErrors"]] == [
        "CapabilityProfileMissing",
        "HostVersionNotSupported",
    ]
    assert all(error["recommendedAction"] for error in found["healthErrors"])
    wrong = program.send("GET", path, params={**API_VERSION, "target": f"{target}x"})
    assert wrong.status_code == 404


@pytest.mark.spec("PA-1")
def test_a_patch_of_a_pair_changes_nothing_and_refuses_inputs_of_other_providers(
    program: Program, sites: Sites
) -> None:
    pair(sites, timezone.now())
    mappings = program.site_recovery.replication_protection_container_mappings
    where = (*program.scope, sites.gold1.fabric.name, sites.gold1.external_id, "Pair-1")
    wanted = asr.UpdateProtectionContainerMappingInput(
        properties=asr.UpdateProtectionContainerMappingInputProperties()
    )
    updated = mappings.begin_update(*where, wanted).result()
    assert updated.properties.state == "Paired"
    foreign: Any = asr.A2AUpdateContainerMappingInput(agent_auto_update_status="Enabled")
    wanted.properties = asr.UpdateProtectionContainerMappingInputProperties(
        provider_specific_input=foreign
    )
    with pytest.raises(HttpResponseError) as error:
        mappings.begin_update(*where, wanted).result()
    assert error.value.status_code == 400
    assert error_of(error.value)["code"] == "ProviderSpecificInputNotSupported"


@pytest.mark.spec("PO-3")
def test_certificates_of_a_pair_are_renewed_when_asked_for(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    answer = program.send("POST", f"{mapping(program, sites)}/renewCertificates")
    assert answer.status_code == 202, answer.text
    job = Job.objects.get(scenario="RenewReplicationCertificates")
    assert answer.headers["Azure-AsyncOperation"].partition("?")[0].endswith(str(job.id))
    assert program.send("POST", f"{mapping(program, sites)}x/renewCertificates").status_code == 404
