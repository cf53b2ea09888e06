"""Inventory objects become rows whose texts fit their columns."""

from __future__ import annotations

import pytest
from opensiterecovery.provider.v1 import inventory_pb2 as wire

from coordinator.fabrics.inventory_rows import KINDS, read_difference
from coordinator.failures import RefusedError


def update(
    *changed: wire.InventoryObject, removed: list[tuple[str, str]] | None = None
) -> wire.InventoryUpdate:
    keys = [wire.InventoryKey(kind=kind, id=external_id) for kind, external_id in removed or []]
    return wire.InventoryUpdate(changed=changed, removed=keys)


def cloud(external_id: str, name: str = "GoldCloud1") -> wire.InventoryObject:
    return wire.InventoryObject(cloud=wire.Cloud(id=external_id, name=name))


def test_kinds_are_those_of_the_protocol() -> None:
    assert set(KINDS) == {
        "cloud",
        "host",
        "virtual_machine",
        "vm_network",
        "logical_network",
        "storage_classification",
        "storage_location",
        "static_address_pool",
        "host_cluster",
        "vmm_server",
        "host_group",
        "capability_profile",
    }


def test_a_machine_has_its_columns_in_lower_case() -> None:
    machine = wire.VirtualMachine(
        id="A",
        vm_id="AB-CD",
        name="GoldVM1",
        host_fqdn="HV1.Example.com",
        cloud_id="C",
        state="Running",
    )
    row = read_difference([update(wire.InventoryObject(virtual_machine=machine))]).rows(
        "virtual_machine"
    )[0]
    assert row.columns == {
        "vm_id": "ab-cd",
        "cloud_external_id": "C",
        "host_fqdn": "hv1.example.com",
        "state": "Running",
    }
    assert (row.name, row.details["host_fqdn"]) == ("GoldVM1", "HV1.Example.com")
    # Absent values are there too, so that readers need no defaults.
    assert row.details["disks"] == []


def test_a_host_is_named_by_its_fqdn_in_lower_case() -> None:
    host = wire.InventoryObject(host=wire.Host(id="H", fqdn="HV1.Example.COM"))
    assert read_difference([update(host)]).rows("host")[0].name == "hv1.example.com"


def test_what_came_last_counts() -> None:
    difference = read_difference(
        [update(cloud("A", "old")), update(cloud("A", "new"), removed=[("cloud", "B")])]
    )
    assert [row.name for row in difference.rows("cloud")] == ["new"]
    assert difference.removed_ids("cloud") == ["B"]
    removed = read_difference([update(cloud("A")), update(removed=[("cloud", "A")])])
    assert removed.rows("cloud") == []
    back = read_difference([update(removed=[("cloud", "A")]), update(cloud("A"))])
    assert back.removed == set()


def test_a_kind_of_a_newer_agent_is_passed_over() -> None:
    difference = read_difference([update(wire.InventoryObject(), removed=[("gpu", "1")])])
    assert (difference.changed, difference.removed) == ({}, set())


def test_texts_fit_the_database() -> None:
    row = read_difference([update(cloud("A", "x" * 400))]).rows("cloud")[0]
    assert row.name == "x" * 255


@pytest.mark.parametrize("external_id", ["", "x" * 129, "a\0b"])
def test_an_id_that_cannot_be_kept_is_refused(external_id: str) -> None:
    for difference in (update(removed=[("cloud", external_id)]), update(cloud(external_id))):
        if external_id == "a\0b" and difference.changed:
            # Cleaned like every text.
            continue
        with pytest.raises(RefusedError) as refused:
            read_difference([difference])
        assert refused.value.failure.code == "InvalidInventory"
