"""Networks and their mappings, with Microsoft's client."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.fabrics.models import FabricObject
from coordinator.protection.models import ItemAdapter, NetworkMapping, Pairing
from tests.integration.api.programs import API_VERSION, Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, add_networks, pair, protect
from tests.integration.api.test_operations import where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


@pytest.fixture(autouse=True)
def networks(sites: Sites) -> None:
    """VMNetwork1 and 2 on each server; only the first is on the gold recovery cloud."""
    add_networks(sites)
    FabricObject.objects.create(
        vault=sites.vault,
        fabric=sites.shanghai,
        kind="logical_network",
        external_id="ln1",
        name="LogicalNetwork1-Shanghai",
        details={"id": "ln1", "network_virtualization": True},
    )
    pair(sites, timezone.now())


def call(program: Program, method: str, path: str, **options: Any) -> Any:
    """What the API answers to a request that Microsoft's client has no method for."""
    return program.send(method, program.vault_path + path, **options).json()


def source(program: Program, sites: Sites, network: str = "sh1") -> tuple[str, str, str, str]:
    return (*program.scope, sites.shanghai.name, network)


def target(program: Program, sites: Sites, network: str = "bj1") -> str:
    found = program.site_recovery.replication_networks.get(
        *program.scope, sites.beijing.name, network
    )
    return str(found.id)


def creation(program: Program, sites: Sites, network: str = "bj1") -> Any:
    return asr.CreateNetworkMappingInput(
        properties=asr.CreateNetworkMappingInputProperties(
            recovery_fabric_name=sites.beijing.name,
            recovery_network_id=target(program, sites, network),
            fabric_specific_details=asr.VmmToVmmCreateNetworkMappingInput(),
        )
    )


@pytest.mark.spec("DI-1")
def test_the_sdk_reads_networks_and_logical_networks(program: Program, sites: Sites) -> None:
    client = program.site_recovery
    everything = client.replication_networks.list(*program.scope)
    assert sorted(each.properties.friendly_name for each in everything) == [
        "VMNetwork1-Beijing",
        "VMNetwork1-Shanghai",
        "VMNetwork2-Beijing",
        "VMNetwork2-Shanghai",
    ]
    found = client.replication_networks.get(*source(program, sites))
    assert found.properties.fabric_type == "VMM"
    [subnet] = found.properties.subnets
    assert (subnet.friendly_name, subnet.address_list) == ("Frontend", ["10.0.0.0/24"])
    of_server = client.replication_networks.list_by_replication_fabrics(
        *program.scope, sites.shanghai.name
    )
    assert len(list(of_server)) == 2
    logical = client.replication_logical_networks
    [listed] = logical.list_by_replication_fabrics(*program.scope, sites.shanghai.name)
    assert listed.properties.network_virtualization_status == "Enabled"
    got = logical.get(*program.scope, sites.shanghai.name, "LN1")
    assert got.properties.friendly_name == "LogicalNetwork1-Shanghai"
    with pytest.raises(ResourceNotFoundError):
        client.replication_networks.get(*source(program, sites, "none"))
    with pytest.raises(ResourceNotFoundError):
        logical.get(*program.scope, sites.shanghai.name, "none")


@pytest.mark.spec("NW-1", "NW-3", "NW-9")
def test_the_sdk_maps_changes_and_unmaps(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    del engine
    mappings = program.site_recovery.replication_network_mappings
    made = mappings.begin_create(*source(program, sites), "M", creation(program, sites)).result()
    properties = made.properties
    assert properties.state == "Paired"
    assert properties.primary_network_friendly_name == "VMNetwork1-Shanghai"
    assert properties.recovery_network_friendly_name == "VMNetwork1-Beijing"
    assert properties.recovery_fabric_friendly_name == "VMM-Beijing"
    assert isinstance(properties.fabric_specific_settings, asr.VmmToVmmNetworkMappingSettings)
    [listed] = mappings.list(*program.scope)
    assert listed.id == made.id
    assert len(list(mappings.list_by_replication_networks(*source(program, sites)))) == 1
    assert not list(mappings.list_by_replication_networks(*source(program, sites, "sh2")))
    change = asr.UpdateNetworkMappingInput(
        properties=asr.UpdateNetworkMappingInputProperties(
            recovery_network_id=target(program, sites),
            fabric_specific_details=asr.VmmToVmmUpdateNetworkMappingInput(),
        )
    )
    mappings.begin_update(*source(program, sites), "m", change).result()
    [job, *_] = program.site_recovery.replication_jobs.list(*program.scope)
    assert (job.properties.scenario_name, job.properties.friendly_name) == (
        "NetworkPairing",
        "Map Networks",
    )
    assert [task.friendly_name for task in job.properties.tasks] == [
        "Map network",
        "Attach network (0)",
    ]
    mappings.begin_delete(*source(program, sites), "M").result()
    with pytest.raises(ResourceNotFoundError):
        mappings.get(*source(program, sites), "M")
    mappings.begin_delete(*source(program, sites), "M").result()


@pytest.mark.spec("NW-2")
def test_a_network_that_is_not_available_is_refused_with_the_clouds(
    program: Program, sites: Sites
) -> None:
    mappings = program.site_recovery.replication_network_mappings
    with pytest.raises(HttpResponseError) as refused:
        mappings.begin_create(*source(program, sites), "M", creation(program, sites, "bj2"))
    error = error_of(refused.value)
    assert error["code"] == "NetworkNotAvailable"
    assert not NetworkMapping.objects.exists()


@pytest.mark.spec("NW-2")
def test_what_is_offered_says_for_each_pair_of_clouds_whether_it_is_available(
    program: Program, sites: Sites
) -> None:
    address = f"/replicationFabrics/{sites.shanghai.name}/replicationNetworks/sh1/recoveryNetworks"
    query = {"recoveryFabricName": sites.beijing.name, **API_VERSION}
    [offered] = call(program, "GET", address, params=query)["value"]
    assert offered["properties"]["friendlyName"] == "VMNetwork1-Beijing"
    [one] = offered["properties"]["cloudPairs"]
    assert (one["primaryCloud"], one["recoveryCloud"], one["available"]) == (
        "GoldCloud1",
        "GoldCloud2",
        True,
    )
    other = call(program, "GET", f"{address}/bj2", params=query)["properties"]
    assert other["available"] is False
    assert other["cloudPairs"][0]["reason"] == (
        "LogicalNetwork2-Beijing is not associated with GoldCloud2"
    )
    assert call(program, "GET", address)["error"]["code"] == "MissingRecoveryFabricName"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({}, "InvalidRequestContent"),
        ({"recoveryNetworkId": 7}, "InvalidRequestContent"),
        ({"recoveryNetworkId": "/x"}, "InvalidResourceReference"),
        ({"recoveryFabricName": 7}, "InvalidRequestContent"),
        ({"recoveryFabricName": "none"}, "NotFound"),
        ({"recoveryFabricName": "VMM-Shanghai"}, "InvalidResourceReference"),
        (
            {"fabricSpecificDetails": {"instanceType": "AzureToAzure"}},
            "NetworkMappingTypeNotSupported",
        ),
        ({"fabricSpecificDetails": 7}, "InvalidRequestContent"),
    ],
)
def test_bad_bodies_are_refused_and_change_nothing(
    program: Program, sites: Sites, properties: dict[str, object], code: str
) -> None:
    whole = {"recoveryNetworkId": target(program, sites)} if properties else {}
    body = {"properties": {**whole, **properties}}
    address = (
        f"/replicationFabrics/{sites.shanghai.name}/replicationNetworks/sh1"
        "/replicationNetworkMappings/M"
    )
    assert call(program, "PUT", address, json=body)["error"]["code"] == code
    assert not NetworkMapping.objects.exists()


def test_a_network_of_another_vault_is_no_target(program: Program, sites: Sites) -> None:
    foreign = target(program, sites).replace("/vaults/", "/vaults/Other")
    body = {"properties": {"recoveryNetworkId": foreign}}
    address = (
        f"/replicationFabrics/{sites.shanghai.name}/replicationNetworks/sh1"
        "/replicationNetworkMappings/M"
    )
    assert call(program, "PUT", address, json=body)["error"]["code"] == "InvalidResourceReference"


@pytest.mark.spec("NW-5", "RE-4")
def test_an_item_says_what_its_adapters_are_connected_to_and_why(
    program: Program, sites: Sites
) -> None:
    now = timezone.now()
    item = protect(Pairing.objects.get(), sites.machines[0], now)
    ItemAdapter.objects.create(
        item=item,
        device_id="nic-1",
        source_network="VMNetwork1-Shanghai",
        source_subnet="Frontend",
        static_address=True,
        source_address="10.1.0.10",
        target_network_id="bj1",
        target_network="VMNetwork1-Beijing",
        target_subnet="Frontend",
        connected=True,
        reason="it is mapped",
        address="10.2.0.10",
        reserved=True,
    )
    ItemAdapter.objects.create(item=item, device_id="nic-2", slot=1, reason="no mapping")
    shown = program.site_recovery.replication_protected_items.get(*where(program, sites), item.name)
    first, second = shown.properties.provider_specific_details.vm_nics
    assert first.v_m_network_name == "VMNetwork1-Beijing"
    assert first.recovery_vm_network_id == target(program, sites)
    [address] = first.ip_configs
    assert (address.static_ip_address, address.recovery_static_ip_address) == (
        "10.1.0.10",
        "10.2.0.10",
    )
    assert first["connectionReason"] == "it is mapped"
    assert (second.v_m_network_name, second["connectionReason"]) == (None, "no mapping")


@pytest.mark.spec("UI-2", "NW-1", "NW-2")
def test_the_command_lists_maps_and_unmaps(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    del engine
    listed = program.osr("network", "list", "--server", "VMM-Shanghai")
    assert listed.returncode == 0, listed.stderr
    assert "VMNetwork1-Shanghai" in listed.stdout
    assert "Frontend (10.0.0.0/24)" in listed.stdout
    offered = program.osr(
        "network", "targets", "VMNetwork1-Shanghai", "--recovery-server", "VMM-Beijing"
    )
    assert offered.returncode == 0, offered.stderr
    assert "VMNetwork1-Beijing" in offered.stdout
    assert "VMNetwork2-Beijing" not in offered.stdout
    made = program.osr("network", "map", "VMNetwork1-Shanghai", "VMNetwork1-Beijing")
    assert made.returncode == 0, made.stderr
    assert "Map Networks of VMNetwork1-Shanghai succeeded" in made.stdout
    again = program.osr("network", "map", "VMNetwork1-Shanghai", "VMNetwork1-Beijing")
    assert again.returncode == 0, again.stderr
    assert NetworkMapping.objects.count() == 1
    maps = program.osr("network", "maps")
    assert "VMNetwork1-Beijing" in maps.stdout
    refused = program.osr("network", "map", "VMNetwork1-Shanghai", "VMNetwork2-Beijing")
    assert refused.returncode != 0
    assert "NetworkNotAvailable" in refused.stderr
    gone = program.osr("network", "unmap", "VMNetwork1-Shanghai", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert not NetworkMapping.objects.exists()
