"""Disabling and unpairing, with Microsoft's client."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.protection.models import Pairing, Policy, ProtectedItem
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect
from tests.integration.api.test_operations import where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]

DISABLE = asr.DisableProtectionInput(
    properties=asr.DisableProtectionInputProperties(
        disable_protection_reason="MigrationComplete",
        replication_provider_input=asr.DisableProtectionProviderSpecificInput(
            instance_type="HyperVReplica2012R2"
        ),
    )
)
UNPAIR = asr.RemoveProtectionContainerMappingInput(
    properties=asr.RemoveProtectionContainerMappingInputProperties(
        provider_specific_input=asr.ReplicationProviderContainerUnmappingInput()
    )
)


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    return protect(pair(sites, now), sites.machines[0], now)


@pytest.mark.spec("RE-7", "PA-4")
def test_the_sdk_disables_unpairs_and_deletes_the_policy(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    client = program.site_recovery
    mappings = client.replication_protection_container_mappings
    with pytest.raises(ResourceExistsError) as refused:
        mappings.begin_delete(*where(program, sites), "Pair-1", UNPAIR)
    assert error_of(refused.value)["code"] == "PairingHasProtectedItems"
    assert "GoldVM1" in error_of(refused.value)["message"]

    items = client.replication_protected_items
    assert items.begin_delete(*where(program, sites), item.name, DISABLE).result() is None
    with pytest.raises(ResourceNotFoundError):
        items.get(*where(program, sites), item.name)
    assert mappings.begin_delete(*where(program, sites), "Pair-1", UNPAIR).result() is None
    with pytest.raises(ResourceNotFoundError):
        mappings.get(*where(program, sites), "Pair-1")
    client.replication_policies.begin_delete(*program.scope, "Policy-1").result()
    assert not Policy.objects.exists()
    assert [
        job.properties.scenario_name for job in client.replication_jobs.list(*program.scope)
    ] == ["DissociateProtectionProfile", "DisableDr"]


@pytest.mark.spec("RE-7", "PA-4")
def test_what_is_gone_already_is_removed_without_complaint(program: Program, sites: Sites) -> None:
    client, place = program.site_recovery, (*where(program, sites), "nothing")
    items = client.replication_protected_items
    mappings = client.replication_protection_container_mappings
    assert items.begin_delete(*place, DISABLE).result() is None
    assert items.begin_purge(*place).result() is None
    assert mappings.begin_delete(*place, UNPAIR).result() is None
    assert mappings.begin_purge(*place).result() is None
    assert list(client.replication_jobs.list(*program.scope)) == []


@pytest.mark.spec("RE-7", "PA-4")
def test_a_purge_forgets_at_once_and_its_job_says_what_to_run(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    client = program.site_recovery
    engine.hold()
    purging = client.replication_protected_items.begin_purge(*where(program, sites), item.name)
    assert not ProtectedItem.objects.exists()
    engine.release()
    assert purging.result() is None
    mappings = client.replication_protection_container_mappings
    assert mappings.begin_purge(*where(program, sites), "Pair-1").result() is None
    assert not Pairing.objects.exists()
    of_pair, of_item = client.replication_jobs.list(*program.scope)
    commands = of_item.properties.custom_details.affected_object_details
    assert set(commands) == {"hv1.shanghai.example", "hv1.beijing.example"}
    assert f"-Id {item.vm_id} | Remove-VMReplication" in commands["hv1.shanghai.example"]
    assert len(of_pair.properties.custom_details.affected_object_details) == 4


@pytest.mark.spec("UI-2", "RE-7")
def test_osr_disables_only_after_the_name_was_typed(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    refused = program.osr("protect", "disable", "GoldVM1")
    assert refused.returncode == 4
    assert "Nothing was changed" in refused.stderr
    assert ProtectedItem.objects.exists()
    done = program.osr("protect", "disable", "GoldVM1", typed="goldvm1\n")
    assert done.returncode == 0, done.stderr
    assert "Disable protection of GoldVM1 succeeded" in done.stdout
    assert not ProtectedItem.objects.exists()


@pytest.mark.spec("UI-2", "RE-7", "PA-4")
def test_osr_removes_pairs_and_tells_how_to_clean_up_what_was_only_forgotten(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    used = program.osr("pair", "remove", "GoldCloud1", "--yes")
    assert used.returncode == 4
    assert "PairingHasProtectedItems" in used.stderr
    forgotten = program.osr("protect", "disable", "GoldVM1", "--vault-only", "--yes")
    assert forgotten.returncode == 0, forgotten.stderr
    assert "Remove-VMReplication" in " ".join(forgotten.stdout.split())
    assert program.osr("pair", "remove", "Bronze", "--yes").returncode == 5
    removed = program.osr("pair", "remove", "goldcloud1", typed="GoldCloud1\n")
    assert removed.returncode == 0, removed.stderr
    assert not Pairing.objects.exists()
