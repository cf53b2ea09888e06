"""Inventory is applied whole, onto the revision it starts from."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from opensiterecovery.provider.v1 import inventory_pb2 as wire

from coordinator.fabrics.inventory import InventoryOutcome
from coordinator.fabrics.models import Cloud, Fabric, FabricObject
from coordinator.fabrics.queries import (
    find_cloud,
    find_host,
    find_machine,
    hosts_of_cloud,
    list_clouds,
    list_objects,
    machines_of_cloud,
    machines_with_vm_id,
)
from coordinator.fabrics.services import apply_inventory, register_provider
from coordinator.failures import RefusedError
from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority
from tests.integration.fabrics.servers import VmmServerToRegister, make_key_file

pytestmark = [pytest.mark.django_db, pytest.mark.spec("DI-2")]

STORED, BASE_MISSING = InventoryOutcome.STORED, InventoryOutcome.BASE_MISSING


@pytest.fixture
def fabric(vault: Vault, authority: Authority, now: datetime) -> Fabric:
    request = VmmServerToRegister("VMM-Shanghai").request(make_key_file(vault, authority, now))
    return register_provider(request, authority, now).fabric


def cloud(external_id: str, name: str, *paths: str) -> wire.InventoryObject:
    return wire.InventoryObject(cloud=wire.Cloud(id=external_id, name=name, host_group_paths=paths))


def host(external_id: str, fqdn: str, path: str) -> wire.InventoryObject:
    return wire.InventoryObject(host=wire.Host(id=external_id, fqdn=fqdn, host_group_path=path))


def machine(external_id: str, name: str, cloud_id: str) -> wire.InventoryObject:
    return wire.InventoryObject(
        virtual_machine=wire.VirtualMachine(
            id=external_id, name=name, cloud_id=cloud_id, vm_id=f"ID-{name}"
        )
    )


def network(external_id: str, name: str) -> wire.InventoryObject:
    return wire.InventoryObject(vm_network=wire.VmNetwork(id=external_id, name=name))


def update(
    base: int,
    revision: int,
    *changed: wire.InventoryObject,
    removed: tuple[tuple[str, str], ...] = (),
) -> list[wire.InventoryUpdate]:
    keys = [wire.InventoryKey(kind=kind, id=external_id) for kind, external_id in removed]
    return [
        wire.InventoryUpdate(
            base_revision=base, revision=revision, changed=changed, removed=keys, last_part=True
        )
    ]


FIRST = update(
    0,
    10,
    cloud("c1", "GoldCloud1", "All Hosts\\Gold"),
    cloud("c2", "SilverCloud1", "All Hosts\\Silver"),
    host("h1", "HV1.example.com", "All Hosts\\Gold"),
    host("h2", "hv2.example.com", "All Hosts\\gold\\Rack 2"),
    host("h3", "hv3.example.com", "All Hosts\\Golden"),
    machine("m1", "GoldVM1", "c1"),
    machine("m2", "SilverVM1", "c2"),
    network("n1", "VMNetwork1-Shanghai"),
)


def names(*clouds: Cloud) -> list[str]:
    return [one.name for one in clouds]


@pytest.mark.spec("DI-1")
def test_the_first_inventory_is_found_again(fabric: Fabric, now: datetime) -> None:
    assert apply_inventory(fabric.id, FIRST, now) is STORED
    assert names(*list_clouds(fabric.vault_id)) == ["GoldCloud1", "SilverCloud1"]
    gold = find_cloud(fabric.id, "C1")
    assert gold is not None
    assert [one.name for one in hosts_of_cloud(gold)] == ["hv1.example.com", "hv2.example.com"]
    assert [one.name for one in machines_of_cloud(gold)] == ["GoldVM1"]
    assert [one.name for one in list_objects(fabric.id, "vm_network")] == ["VMNetwork1-Shanghai"]
    assert [one.name for one in machines_with_vm_id(fabric.id, "ID-goldvm1")] == ["GoldVM1"]
    found = find_host(fabric.id, "HV1.Example.Com")
    assert found is not None
    assert found.external_id == "h1"
    fabric.refresh_from_db()
    assert (fabric.inventory_revision, fabric.inventory_at) == (10, now)


def test_a_difference_changes_what_it_names_and_nothing_else(fabric: Fabric, now: datetime) -> None:
    apply_inventory(fabric.id, FIRST, now)
    kept = find_cloud(fabric.id, "c1")
    later = now + timedelta(minutes=1)
    outcome = apply_inventory(
        fabric.id,
        update(
            10,
            11,
            cloud("c1", "PlatinumCloud1"),
            removed=(("virtual_machine", "m1"), ("vm_network", "n1"), ("cloud", "never")),
        ),
        later,
    )
    assert outcome is STORED
    renamed = find_cloud(fabric.id, "c1")
    assert renamed is not None
    # The same row: what points at the cloud still does.
    assert renamed == kept
    assert names(*list_clouds(fabric.vault_id)) == ["PlatinumCloud1", "SilverCloud1"]
    assert machines_of_cloud(renamed) == []
    gone = find_machine(fabric.id, "m1")
    assert gone is not None
    assert gone.gone_at == later
    assert FabricObject.objects.get(external_id="n1").gone_at == later


def test_an_object_that_comes_back_is_no_longer_gone(fabric: Fabric, now: datetime) -> None:
    apply_inventory(fabric.id, FIRST, now)
    apply_inventory(fabric.id, update(10, 11, removed=(("cloud", "c1"),)), now)
    assert names(*list_clouds(fabric.vault_id)) == ["SilverCloud1"]
    apply_inventory(fabric.id, update(11, 12, cloud("c1", "GoldCloud1")), now)
    assert names(*list_clouds(fabric.vault_id)) == ["GoldCloud1", "SilverCloud1"]


def test_everything_sent_anew_marks_what_is_not_among_it(fabric: Fabric, now: datetime) -> None:
    apply_inventory(fabric.id, FIRST, now)
    # An agent that lost its state may begin with a lower revision.
    assert apply_inventory(fabric.id, update(0, 3, cloud("c2", "SilverCloud1")), now) is STORED
    assert names(*list_clouds(fabric.vault_id)) == ["SilverCloud1"]
    assert find_host(fabric.id, "hv1.example.com") is None
    assert list_objects(fabric.id, "vm_network") == []
    fabric.refresh_from_db()
    assert fabric.inventory_revision == 3


def test_a_difference_from_another_revision_changes_nothing(fabric: Fabric, now: datetime) -> None:
    apply_inventory(fabric.id, FIRST, now)
    for base, revision in ((9, 11), (11, 12)):
        outcome = apply_inventory(
            fabric.id, update(base, revision, removed=(("cloud", "c1"),)), now
        )
        assert outcome is BASE_MISSING
    assert len(list_clouds(fabric.vault_id)) == 2
    fabric.refresh_from_db()
    assert fabric.inventory_revision == 10


def test_a_revision_that_was_applied_is_answered_again(fabric: Fabric, now: datetime) -> None:
    apply_inventory(fabric.id, FIRST, now)
    difference = update(10, 11, removed=(("cloud", "c1"),))
    assert apply_inventory(fabric.id, difference, now) is STORED
    assert apply_inventory(fabric.id, difference, now + timedelta(hours=1)) is STORED
    fabric.refresh_from_db()
    assert fabric.inventory_at == now


def test_a_revision_with_a_bad_object_is_refused_whole(fabric: Fabric, now: datetime) -> None:
    with pytest.raises(RefusedError):
        apply_inventory(fabric.id, update(0, 1, cloud("c1", "Good"), cloud("", "Bad")), now)
    assert list_clouds(fabric.vault_id) == []


@pytest.mark.spec("VA-1")
def test_vaults_do_not_see_each_others_clouds(
    fabric: Fabric, other_vault: Vault, now: datetime
) -> None:
    apply_inventory(fabric.id, FIRST, now)
    assert list_clouds(other_vault.id) == []
