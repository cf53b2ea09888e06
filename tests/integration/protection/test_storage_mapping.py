"""Storage mappings made and deleted, and replicas that follow them."""

from __future__ import annotations

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import failure_pb2

from coordinator.fabrics.models import FabricObject, VirtualMachine
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.protection import services as protection
from coordinator.protection.models import Pairing, ProtectedItem, StorageMapping
from coordinator.protection.states import ProtectionState
from tests.integration.protection.test_pairing import change_host
from tests.integration.protection.world import World

GIBIBYTE = 1024**3
SHANGHAI_HOSTS = [f"goldcloud1-hv{number}.shanghai.contoso.com" for number in (1, 2)]
BEIJING_HOSTS = [f"goldcloud2-hv{number}.beijing.contoso.com" for number in (1, 2)]
GOLD_VOLUME = r"C:\ClusterStorage\TargetVolume1"
GOLD_SHARE = r"\\FileServer\TargetShare1"
NAMES = ("GoldVM1", "GoldVM2")
FAILURE = failure_pb2.Failure(
    code="StorageFull",
    message="There is not enough space on the disk.",
    possible_causes=["Somebody else used it."],
    recommended_action="Make room.",
)


def add_classification(world: World, site: str, name: str) -> FabricObject:
    return FabricObject.objects.create(
        vault=world.vault,
        fabric=world.fabric(f"vmm-{site}"),
        kind="storage_classification",
        external_id=f"class-{name}",
        name=name,
        details={"id": f"class-{name}", "name": name},
    )


def add_location(
    world: World, site: str, path: str, classification: str, hosts: list[str], free_gib: int = 100
) -> FabricObject:
    return FabricObject.objects.create(
        vault=world.vault,
        fabric=world.fabric(f"vmm-{site}"),
        kind="storage_location",
        external_id=f"{path}-{hosts[0]}",
        name=path,
        details={
            "path": path,
            "classification": classification,
            "capacity_bytes": str(1024 * GIBIBYTE),
            "free_bytes": str(free_gib * GIBIBYTE),
            "host_fqdns": hosts,
        },
    )


@pytest.fixture
def stored(world: World) -> World:
    """Gold storage on both sides, and machines on it."""
    for site, name in (
        ("shanghai", "GOLD"),
        ("shanghai", "SILVER"),
        ("beijing", "GOLD_TARGET"),
        ("beijing", "SILVER_TARGET"),
    ):
        add_classification(world, site, name)
    add_location(world, "shanghai", r"C:\ClusterStorage\SourceVolume1", "GOLD", SHANGHAI_HOSTS)
    add_location(world, "beijing", GOLD_VOLUME, "GOLD_TARGET", BEIJING_HOSTS, 300)
    add_location(world, "beijing", GOLD_SHARE, "GOLD_TARGET", BEIJING_HOSTS, 60)
    for number in (1, 2):
        machine = VirtualMachine.objects.get(vault=world.vault, name=f"GoldVM{number}")
        machine.details["disks"][0] |= {
            "path": rf"C:\ClusterStorage\SourceVolume1\GoldVM{number}\GoldVM{number}.vhdx",
            "classification": "GOLD",
        }
        machine.save()
    return world


def classification(world: World, name: str) -> FabricObject:
    return FabricObject.objects.select_related("fabric").get(
        vault=world.vault, kind="storage_classification", name=name
    )


def map_storage(
    world: World, source: str = "GOLD", target: str = "GOLD_TARGET", name: str = "gold"
) -> StorageMapping:
    with transaction.atomic():
        return protection.map_storage(
            name, classification(world, source), classification(world, target), world.now
        )


def protect(world: World, machine: str = "GoldVM1") -> tuple[ProtectedItem, Job]:
    item, job = world.enable(machine)
    world.turn()
    item.refresh_from_db()
    job.refresh_from_db()
    return item, job


@pytest.mark.spec("ST-2")
def test_a_replica_is_moved_to_the_storage_that_its_classification_is_mapped_to(
    stored: World,
) -> None:
    map_storage(stored)
    stored.pair()
    stored.turn()
    item, job = protect(stored)
    assert job.state == JobState.SUCCEEDED
    assert item.state == ProtectionState.INITIAL_REPLICATION
    host = item.recovery_host
    effects = stored.hyperv.effects
    moved, enabled = (
        effects.index(f"storage.moved {host}"),
        [index for index, effect in enumerate(effects) if effect.startswith("replication.enabled")],
    )
    assert enabled[0] < moved
    assert effects.index(f"copy.started {item.primary_host}") > moved
    [disk] = item.storage["disks"]
    assert (disk["location"], disk["target_classification"]) == (GOLD_VOLUME, "GOLD_TARGET")
    assert disk["reason"] == "300.0 GiB free, the best of 2 places of GOLD_TARGET"
    assert item.storage["disk_paths"] == [rf"{GOLD_VOLUME}\GoldVM1.vhdx"]
    assert item.placement[0]["reasons"][0].startswith("1 of 1 disks on the storage")


@pytest.mark.spec("ST-2")
def test_what_replicas_on_their_way_will_take_is_counted_by_the_next(stored: World) -> None:
    map_storage(stored)
    volume = FabricObject.objects.get(vault=stored.vault, name=GOLD_VOLUME)
    volume.details["free_bytes"] = str(70 * GIBIBYTE)
    volume.save()
    stored.pair()
    stored.turn()
    chosen = [protect(stored, name)[0].storage["disks"][0]["location"] for name in NAMES]
    # 70 and 60 GiB are free, and each machine may grow to 40.
    assert chosen == [GOLD_VOLUME, GOLD_SHARE]
    # Once copied it is in what the inventory says, and no longer counted besides.
    ProtectedItem.objects.filter(vault=stored.vault).update(state=ProtectionState.PROTECTED)
    ProtectedItem.objects.get(vault=stored.vault, friendly_name="GoldVM2").delete()
    assert protect(stored, "GoldVM2")[0].storage["disks"][0]["location"] == GOLD_VOLUME


@pytest.mark.spec("ST-2")
def test_without_a_mapping_the_replica_stays_at_the_hosts_default_path(stored: World) -> None:
    stored.pair()
    stored.turn()
    item, job = protect(stored)
    assert job.state == JobState.SUCCEEDED
    assert "move_replica_storage" not in set(job.steps.values_list("action", flat=True))
    [disk] = item.storage["disks"]
    assert disk["reason"] == "the host's default path: GOLD is not mapped"
    assert item.storage["default_location"] == r"C:\Hyper-V\Disks"


@pytest.mark.spec("ST-2")
def test_a_host_that_reaches_the_mapped_storage_takes_the_replica(stored: World) -> None:
    map_storage(stored)
    for path in (GOLD_VOLUME, GOLD_SHARE):
        place = FabricObject.objects.get(vault=stored.vault, name=path)
        place.details["host_fqdns"] = [BEIJING_HOSTS[0]]
        place.save()
    change_host(BEIJING_HOSTS[0], available_memory_bytes=str(4 * GIBIBYTE))
    stored.pair()
    stored.turn()
    item, _ = protect(stored)
    assert item.recovery_host == BEIJING_HOSTS[0]


@pytest.mark.spec("ST-2")
def test_a_replica_that_cannot_be_moved_is_not_copied_to_another_place(stored: World) -> None:
    map_storage(stored)
    stored.pair()
    stored.turn()
    broken = stored.hyperv.broken
    broken["move_replica_storage"] = FAILURE
    item, job = protect(stored)
    assert (job.state, item.state) == (JobState.FAILED, ProtectionState.ENABLING_FAILED)
    assert job.errors[0]["code"] == "StorageFull"
    assert not [effect for effect in stored.hyperv.effects if effect.startswith("copy.started")]
    broken.clear()
    again, job = protect(stored)
    assert (job.state, again.id) == (JobState.SUCCEEDED, item.id)


@pytest.mark.spec("ST-1")
def test_a_mapping_asked_for_again_is_the_same_one(stored: World) -> None:
    assert map_storage(stored).id == map_storage(stored, name="GOLD").id


@pytest.mark.parametrize(
    ("source", "target", "name", "code"),
    [
        ("GOLD", "SILVER_TARGET", "other", "StorageMappingExists"),
        ("GOLD", "GOLD_TARGET", "other", "StorageMappingExists"),
        ("GOLD", "SILVER_TARGET", "gold", "NameInUse"),
        ("SILVER", "GOLD_TARGET", "silver", "StorageClassificationNotAvailable"),
        ("SILVER", "GOLD_TARGET", "a/b", "InvalidResourceName"),
    ],
)
@pytest.mark.spec("ST-1")
def test_what_cannot_be_mapped_is_refused_and_nothing_changes(
    stored: World, source: str, target: str, name: str, code: str
) -> None:
    map_storage(stored)
    with pytest.raises(RefusedError) as refused:
        map_storage(stored, source, target, name)
    failure = refused.value.failure
    assert failure.code == code
    assert failure.possible_causes
    assert failure.recommended_action
    assert StorageMapping.objects.filter(vault=stored.vault).count() == 1


@pytest.mark.spec("ST-1")
def test_with_paired_clouds_only_what_they_reach_can_be_mapped(stored: World) -> None:
    add_location(
        stored,
        "beijing",
        r"C:\ClusterStorage\TargetVolume2",
        "SILVER_TARGET",
        ["silvercloud2-hv1.beijing.contoso.com"],
    )
    stored.pair()
    assert Pairing.objects.filter(vault=stored.vault).count() == 1
    with pytest.raises(RefusedError) as refused:
        map_storage(stored, "GOLD", "SILVER_TARGET")
    assert "GoldCloud2" in refused.value.failure.possible_causes[0]


@pytest.mark.spec("ST-1")
def test_two_clouds_of_one_server_can_be_mapped(stored: World) -> None:
    add_location(
        stored,
        "shanghai",
        r"C:\ClusterStorage\SourceVolume2",
        "SILVER",
        ["silvercloud1-hv1.shanghai.contoso.com"],
    )
    mapping = map_storage(stored, "GOLD", "SILVER")
    assert mapping.source_fabric_id == mapping.target_fabric_id


@pytest.mark.spec("ST-2")
def test_a_deleted_mapping_no_longer_counts_and_replicas_stay(stored: World) -> None:
    mapping = map_storage(stored)
    stored.pair()
    stored.turn()
    before, _ = protect(stored)
    protection.unmap_storage(mapping)
    after, _ = protect(stored, "GoldVM2")
    assert after.storage["disks"][0]["location"] == ""
    before.refresh_from_db()
    assert before.storage["disks"][0]["location"] == GOLD_VOLUME
