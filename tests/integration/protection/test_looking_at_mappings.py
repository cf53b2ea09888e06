"""A consistency check looks at mappings, replicas' adapters and addresses, and partners."""

from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.fabrics.models import FabricObject, Provider, VirtualMachine
from coordinator.protection import services as protection
from coordinator.protection.models import ItemAdapter, StorageMapping
from tests.integration.protection.network_stage import DEVICE, RECOVERY_HOST, Stage
from tests.integration.protection.test_looking import differences, run
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("DI-4")]


def check(world: World, name: str) -> dict[str, list[str]]:
    Provider.objects.filter(vault=world.vault).update(last_heartbeat_at=world.now)
    with transaction.atomic():
        job = protection.check_consistency(world.fabric(name), ORIGIN, world.now)
    return differences(run(world, job))


def see_replica(stage: Stage, network: str = "bj1") -> VirtualMachine:
    """The replica comes into Beijing's inventory, connected to a network."""
    world, original = stage.world, stage.world.machine("GoldVM1")
    adapter = {**original.details["adapters"][0], "id": "replica-nic", "device_id": DEVICE}
    adapter |= {"vm_network_id": network, "vm_network": network and f"Network {network}"}
    adapter["vm_subnet_id"] = f"{network}-front" if network else ""
    return VirtualMachine.objects.create(
        vault=world.vault,
        fabric=world.fabric("vmm-beijing"),
        external_id="vmm-GoldVM1-replica",
        name="GoldVM1",
        details={
            "adapters": [adapter],
            "replication": {
                "mode": "Replica",
                "state": "Replicating",
                "primary_server": world.item().primary_host.upper(),
            },
        },
        vm_id=original.vm_id,
        host_fqdn=RECOVERY_HOST,
    )


@pytest.fixture
def connected(stage: Stage) -> Stage:
    """A replica on bj1 with a reserved address."""
    stage.world.protect()
    stage.map()
    stage.world.turn()
    assert (stage.row.connected, stage.row.reserved) == (True, True)
    return stage


def test_what_mappings_did_is_as_believed(connected: Stage) -> None:
    see_replica(connected)
    assert check(connected.world, "vmm-beijing") == {}


def test_a_replica_that_somebody_connected_elsewhere_is_listed(connected: Stage) -> None:
    see_replica(connected, "bj2")
    assert check(connected.world, "vmm-beijing") == {"GoldVM1": ["NetworkDiffers"]}


def test_a_replica_whose_adapter_is_gone_is_listed(connected: Stage) -> None:
    replica = see_replica(connected)
    replica.details["adapters"] = []
    replica.save(update_fields=["details"])
    assert check(connected.world, "vmm-beijing") == {"GoldVM1": ["NetworkAdapterMissing"]}


def test_an_address_that_was_given_back_or_away_in_vmm_is_listed(connected: Stage) -> None:
    see_replica(connected)
    allocated = connected.world.hyperv.networks.allocated
    allocated["bj1-pool"] = {}
    assert check(connected.world, "vmm-beijing") == {"GoldVM1": ["AddressNotReserved"]}
    allocated["bj1-pool"] = {connected.row.address: "another-nic"}
    assert check(connected.world, "vmm-beijing") == {"GoldVM1": ["AddressHeldByOther"]}
    assert ItemAdapter.objects.get().reserved, "a check changes nothing"


def test_an_address_whose_pool_is_gone_is_listed(connected: Stage) -> None:
    see_replica(connected)
    FabricObject.objects.filter(external_id="bj1-pool").update(gone_at=connected.world.now)
    assert check(connected.world, "vmm-beijing") == {"GoldVM1": ["AddressNotReserved"]}


@pytest.mark.parametrize(("network", "server"), [("sh1", "vmm-shanghai"), ("bj1", "vmm-beijing")])
def test_a_mapped_network_that_vmm_no_longer_has_is_listed(
    stage: Stage, network: str, server: str
) -> None:
    stage.world.pair()
    stage.map()
    stage.world.turn()
    FabricObject.objects.filter(external_id=network).update(gone_at=stage.world.now)
    assert check(stage.world, server) == {"": ["MappedNetworkMissing"]}


def test_a_mapped_classification_that_vmm_no_longer_has_is_listed(world: World) -> None:
    beijing = world.fabric("vmm-beijing")
    StorageMapping.objects.create(
        vault=world.vault,
        name="gold",
        source_fabric=world.fabric("vmm-shanghai"),
        source_external_id="gold-shanghai",
        target_fabric=beijing,
        target_external_id="gold-beijing",
        created_at=world.now,
    )
    gold = FabricObject.objects.create(
        vault=world.vault,
        fabric=beijing,
        kind="storage_classification",
        external_id="gold-beijing",
        name="GOLD",
        details={},
    )
    assert check(world, "vmm-beijing") == {}
    gold.gone_at = world.now
    gold.save()
    assert check(world, "vmm-beijing") == {"": ["MappedClassificationMissing"]}


def test_a_relationship_with_another_server_than_believed_is_listed(connected: Stage) -> None:
    replica = see_replica(connected)
    replica.details["replication"]["primary_server"] = "hv9.elsewhere.example"
    replica.save(update_fields=["details"])
    assert check(connected.world, "vmm-beijing") == {"GoldVM1": ["ReplicationPartnerDiffers"]}


def test_a_partner_named_by_its_broker_or_a_node_of_it_is_as_believed(connected: Stage) -> None:
    replica = see_replica(connected)
    hosts = connected.world.item().pairing.hosts.filter(location="Primary")
    hosts.update(connection_point="broker.shanghai.contoso.com")
    other = hosts.exclude(host__name=connected.world.item().primary_host).get()
    for name in ("Broker.Shanghai.contoso.com", other.host.name):
        replica.details["replication"]["primary_server"] = name
        replica.save(update_fields=["details"])
        assert check(connected.world, "vmm-beijing") == {}
