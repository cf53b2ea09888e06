"""Servers, clouds and machines through Microsoft's client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.fabrics.models import Cloud, Provider, VirtualMachine
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, make_machine, pair, protect, unknown_id

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


@pytest.mark.spec("EN-7")
def test_a_server_shows_its_agent_versions_and_heartbeat(program: Program, sites: Sites) -> None:
    client = program.site_recovery
    fabrics = list(client.replication_fabrics.list(*program.scope))
    assert [fabric.properties.friendly_name for fabric in fabrics] == [
        "VMM-Beijing",
        "VMM-Shanghai",
    ]
    assert isinstance(fabrics[0].properties.custom_details, asr.VmmDetails)
    assert fabrics[0].properties.health == "Normal"
    one = client.replication_fabrics.get(*program.scope, sites.shanghai.name)
    assert one.id == fabrics[1].id
    providers = list(
        client.replication_recovery_services_providers.list_by_replication_fabrics(
            *program.scope, sites.shanghai.name
        )
    )
    assert len(providers) == 1
    properties = providers[0].properties
    assert properties.connection_status == "Connected"
    assert properties.provider_version == "0.1.0"
    assert properties.server_version == "10.19.2591.0"
    assert properties.last_heart_beat is not None
    read = client.replication_recovery_services_providers.get(
        *program.scope, sites.shanghai.name, providers[0].name
    )
    assert read.id == providers[0].id
    assert len(list(client.replication_recovery_services_providers.list(*program.scope))) == 2


@pytest.mark.spec("EN-10")
def test_a_server_not_heard_of_is_not_connected(program: Program, sites: Sites) -> None:
    Provider.objects.update(last_heartbeat_at=timezone.now() - timedelta(seconds=26))
    fabric = program.site_recovery.replication_fabrics.get(*program.scope, sites.shanghai.name)
    assert fabric.properties.health == "Critical"
    assert fabric.properties.health_error_details[0].error_code == "25018"


def test_clouds_show_their_role_in_a_pair(program: Program, sites: Sites) -> None:
    now = timezone.now()
    protect(pair(sites, now), sites.machines[0], now)
    containers = program.site_recovery.replication_protection_containers
    clouds = {cloud.properties.friendly_name: cloud for cloud in containers.list(*program.scope)}
    assert sorted(clouds) == ["GoldCloud1", "GoldCloud2", "SilverCloud1", "SilverCloud2"]
    gold = clouds["GoldCloud1"].properties
    assert (gold.role, gold.pairing_status, gold.protected_item_count) == ("Primary", "Paired", 1)
    assert clouds["GoldCloud2"].properties.role == "Recovery"
    assert clouds["SilverCloud1"].properties.pairing_status == "NotPaired"
    of_shanghai = containers.list_by_replication_fabrics(*program.scope, sites.shanghai.name)
    assert {cloud.name for cloud in of_shanghai} == {
        clouds["GoldCloud1"].name,
        clouds["SilverCloud1"].name,
    }
    Cloud.objects.filter(name="SilverCloud1").update(gone_at=now)
    with pytest.raises(ResourceNotFoundError):
        containers.get(*program.scope, sites.shanghai.name, clouds["SilverCloud1"].name)


@pytest.mark.spec("DI-3")
def test_machines_say_whether_they_are_protected_or_why_they_cannot_be(
    program: Program, sites: Sites
) -> None:
    now = timezone.now()
    protect(pair(sites, now), sites.machines[0], now)
    make_machine(sites.gold1, "GoldVM3", disk_format="")
    items = program.site_recovery.replication_protectable_items
    where = (*program.scope, sites.shanghai.name, sites.gold1.external_id)
    found = {
        item.properties.friendly_name: item
        for item in items.list_by_replication_protection_containers(*where)
    }
    assert found["GoldVM1"].properties.protection_status == "Protected"
    assert found["GoldVM1"].properties.replication_protected_item_id.endswith(found["GoldVM1"].name)
    assert found["GoldVM2"].properties.protection_status == "Unprotected"
    assert found["GoldVM2"].properties.protection_readiness_errors == []
    assert isinstance(found["GoldVM2"].properties.custom_details, asr.HyperVVirtualMachineDetails)
    details: Any = found["GoldVM2"].properties.custom_details
    assert details.disk_details[0].max_size_mb == 40 * 1024
    assert (details.os_details.os_type, details.has_physical_disk) == ("Windows", "NotPresent")
    assert found["GoldVM3"].properties.protection_readiness_errors
    unprotected = items.list_by_replication_protection_containers(
        *where, filter="State eq 'Unprotected'"
    )
    assert [item.properties.friendly_name for item in unprotected] == ["GoldVM2", "GoldVM3"]
    assert items.get(*where, found["GoldVM2"].name).id == found["GoldVM2"].id
    VirtualMachine.objects.filter(name="GoldVM2").update(gone_at=now)
    with pytest.raises(ResourceNotFoundError) as error:
        items.get(*where, found["GoldVM2"].name)
    detail = error_of(error.value)["details"][0]
    assert detail["code"] == "ArmResourceDoesNotExist"


def test_long_lists_come_in_pages_the_client_follows(program: Program, sites: Sites) -> None:
    for number in range(5):
        make_machine(sites.gold1, f"Extra{number}")
    items = program.site_recovery.replication_protectable_items
    where = (*program.scope, sites.shanghai.name, sites.gold1.external_id)
    pages = items.list_by_replication_protection_containers(*where, take="3").by_page()
    sizes = [len(list(page)) for page in pages]
    assert sizes == [3, 3, 1]


def test_what_is_not_there_is_told_of_in_asrs_words(program: Program, sites: Sites) -> None:
    client = program.site_recovery
    reads: list[Callable[[], object]] = [
        lambda: client.replication_fabrics.get(*program.scope, "nothing"),
        lambda: client.replication_recovery_services_providers.get(
            *program.scope, sites.shanghai.name, sites.beijing.name
        ),
        lambda: client.replication_policies.get(*program.scope, "nothing"),
        lambda: client.replication_jobs.get(*program.scope, str(unknown_id())),
        lambda: client.replication_jobs.get(*program.scope, "no-uuid"),
    ]
    for read in reads:
        with pytest.raises(ResourceNotFoundError) as error:
            read()
        body = error_of(error.value)
        assert body["code"] == "NotFound"
        assert body["details"][0]["recommendedAction"]
        assert body["details"][0]["clientRequestId"]
