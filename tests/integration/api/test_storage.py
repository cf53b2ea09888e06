"""Storage classifications and their mappings, with Microsoft's client and with osr."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.fabrics.models import FabricObject
from coordinator.protection.models import StorageMapping
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, add_storage, pair, protect

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("AP-1"),
    pytest.mark.spec("ST-1"),
]


@pytest.fixture
def gold(sites: Sites) -> FabricObject:
    return add_storage(sites.shanghai, "GOLD", r"\\FS\Source1", "hv1.shanghai.example")


@pytest.fixture
def gold_target(sites: Sites) -> FabricObject:
    return add_storage(sites.beijing, "GOLD_TARGET", r"C:\ClusterStorage\T1", "hv1.beijing.example")


def identity(program: Program, classification: FabricObject) -> str:
    return (
        f"{program.vault_path}/replicationFabrics/{classification.fabric.name}"
        f"/replicationStorageClassifications/{classification.external_id}"
    )


def to(target_id: str) -> asr.StorageClassificationMappingInput:
    return asr.StorageClassificationMappingInput(
        properties=asr.StorageMappingInputProperties(target_storage_classification_id=target_id)
    )


def test_the_sdk_lists_maps_and_unmaps(
    program: Program, gold: FabricObject, gold_target: FabricObject
) -> None:
    client = program.site_recovery
    classifications = client.replication_storage_classifications
    assert [one.properties.friendly_name for one in classifications.list(*program.scope)] == [
        "GOLD",
        "GOLD_TARGET",
    ]
    fabric = gold.fabric.name
    [one] = classifications.list_by_replication_fabrics(*program.scope, fabric)
    assert one.id == identity(program, gold)
    assert one.properties["fabricFriendlyName"] == "VMM-Shanghai"
    assert one.properties["locations"][0]["path"] == r"\\FS\Source1"
    got = classifications.get(*program.scope, fabric, gold.external_id)
    assert got.properties.friendly_name == "GOLD"

    mappings = client.replication_storage_classification_mappings
    where = (*program.scope, fabric, gold.external_id, "gold-to-target")
    made = mappings.begin_create(*where, to(identity(program, gold_target))).result()
    assert made.properties.target_storage_classification_id == identity(program, gold_target)
    parent = "replicationStorageClassificationMappings"
    assert made.id == f"{identity(program, gold)}/{parent}/gold-to-target"
    again = mappings.begin_create(*where, to(identity(program, gold_target))).result()
    assert again.id == made.id
    assert [each.name for each in mappings.list(*program.scope)] == ["gold-to-target"]
    listed = mappings.list_by_replication_storage_classifications(
        *program.scope, fabric, gold.external_id
    )
    assert [each.name for each in listed] == ["gold-to-target"]
    assert mappings.get(*where).id == made.id
    for _ in range(2):
        assert mappings.begin_delete(*where).result() is None
    assert list(mappings.list(*program.scope)) == []
    with pytest.raises(ResourceNotFoundError):
        mappings.get(*where)


def test_what_cannot_be_mapped_is_refused_in_words(
    program: Program, sites: Sites, gold: FabricObject, gold_target: FabricObject
) -> None:
    nowhere = add_storage(sites.beijing, "FAR_TARGET", r"\\FS\Far")
    mappings = program.site_recovery.replication_storage_classification_mappings
    where = (*program.scope, gold.fabric.name, gold.external_id)
    for name, target_id, code in (
        ("far", identity(program, nowhere), "StorageClassificationNotAvailable"),
        ("wrong", program.vault_path, "InvalidResourceReference"),
        ("wrong", identity(program, gold_target).replace(program.vault, "Other"), None),
        ("gone", identity(program, gold_target)[:-3] + "000", "NotFound"),
    ):
        with pytest.raises(HttpResponseError) as refused:
            mappings.begin_create(*where, name, to(target_id))
        error = error_of(refused.value)
        assert error["code"] == (code or "InvalidResourceReference")
        assert error["details"][0]["possibleCauses"]
        assert error["details"][0]["recommendedAction"]
    assert not StorageMapping.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"properties": {}},
        {"properties": {"targetStorageClassificationId": 5}},
        {"properties": {"targetStorageClassificationId": None}},
        {"properties": "x"},
        [],
    ],
)
def test_a_body_of_another_form_is_refused(
    program: Program, gold: FabricObject, gold_target: FabricObject, body: Any
) -> None:
    path = f"{identity(program, gold)}/replicationStorageClassificationMappings/m"
    answer = program.send("PUT", path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["recommendedAction"]
    assert not StorageMapping.objects.exists()


@pytest.mark.spec("ST-2")
def test_an_item_tells_why_its_replica_is_where_it_is(program: Program, sites: Sites) -> None:
    now = timezone.now()
    item = protect(pair(sites, now), sites.machines[0], now)
    items = program.site_recovery.replication_protected_items
    [shown] = items.list(*program.scope)
    assert (shown.properties["placement"], shown.properties["storagePlacement"]) == (None, None)
    item.placement = [{"host": "hv1", "fits": True, "score": 7.5, "reasons": ["reaches Front"]}]
    item.storage = {
        "default_location": "C:\\Replica",
        "disk_paths": ["S:\\a.vhdx"],
        "disks": [
            {
                "file_name": "a.vhdx",
                "size_bytes": 1,
                "classification": "GOLD",
                "target_classification": "GOLD_TARGET",
                "location": "S:",
                "reason": "40.0 GiB free of GOLD_TARGET",
            }
        ],
    }
    item.save()
    [shown] = items.list(*program.scope)
    assert shown.properties["placement"]["hosts"][0]["reasons"] == ["reaches Front"]
    assert shown.properties["storagePlacement"]["disks"][0]["location"] == "S:"
    told = program.osr("protect", "show", "GoldVM1")
    assert "reaches Front" in told.stdout
    assert "40.0 GiB free of GOLD_TARGET" in told.stdout


@pytest.mark.spec("UI-2")
def test_osr_lists_maps_and_unmaps(
    program: Program, gold: FabricObject, gold_target: FabricObject
) -> None:
    listed = program.osr("storage", "list", columns=300)
    assert listed.returncode == 0, listed.stderr
    assert r"\\FS\Source1 (40 GiB free)" in listed.stdout
    assert "GOLD_TARGET" not in program.osr("storage", "list", "--server", "VMM-Shanghai").stdout
    mapped = program.osr("storage", "map", "gold", "GOLD_TARGET")
    assert mapped.returncode == 0, mapped.stderr
    maps = program.osr("storage", "maps")
    assert "GOLD (VMM-Shanghai)" in maps.stdout
    assert "GOLD_TARGET (VMM-Beijing)" in maps.stdout
    assert len(json.loads(program.osr("storage", "maps", "--json").stdout)) == 1
    unmapped = program.osr("storage", "unmap", "GOLD", "--yes", "--target-server", "VMM-Beijing")
    assert unmapped.returncode == 0, unmapped.stderr
    assert not StorageMapping.objects.exists()
    assert program.osr("storage", "unmap", "GOLD", "--yes").returncode != 0
    assert program.osr("storage", "map", "NONE", "GOLD_TARGET").returncode != 0
