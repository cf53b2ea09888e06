"""Offline first copies, copies that are there already, and replications that are taken over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics.models import VirtualMachine
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.protection import services
from coordinator.protection.models import OfflineCopy, Policy, ProtectedItem
from coordinator.protection.offline.facts import copy_facts
from coordinator.protection.offline.rules import Stage, stage_of
from coordinator.protection.offline.watching import first_copies_to_watch, follow_offline_copies
from coordinator.protection.states import ProtectionState
from tests.integration.protection.fake_hyperv import Copy, broken
from tests.integration.protection.test_enabling import HV1, RECOVERY_HOSTS
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import GIBIBYTE, ORIGIN, World, details

pytestmark = pytest.mark.django_db

EXPORT, IMPORT = r"\\FilesSh\Out", r"\\FilesBj\In"
BROKEN_OFF = Stage.EXPORT_BROKEN_OFF
OFFLINE = {
    "initialReplicationMethod": "Offline",
    "offlineReplicationExportPath": EXPORT,
    "offlineReplicationImportPath": IMPORT,
}


@pytest.fixture
def offline(world: World) -> World:
    world.policy("Gold", **OFFLINE)
    world.pair()
    world.turn()
    return world


def the_copy() -> OfflineCopy:
    return OfflineCopy.objects.select_related("item").get()


def stage() -> Stage:
    return stage_of(copy_facts(the_copy()))


def begin(world: World) -> ProtectedItem:
    """An item whose export runs."""
    _, job = world.enable()
    world.turn()
    world.report()
    item = world.item()
    job.refresh_from_db()
    assert item.state == ProtectionState.INITIAL_REPLICATION, job.errors
    return item


def look(world: World) -> None:
    """Both agents look at their paths and tell what they found."""
    item = world.item()
    paths = world.hyperv.paths
    for name, host, path in (
        ("vmm-shanghai", item.primary_host, EXPORT),
        ("vmm-beijing", item.recovery_host, IMPORT),
    ):
        with transaction.atomic():
            services.ingest_first_copies(
                world.fabric(name).id, [paths.told(item.vm_id, host, path)], world.now
            )
    world.turn()


def export_whole(world: World, item: ProtectedItem) -> None:
    world.hyperv.paths.folders[EXPORT] = (f"GoldVM1_{item.vm_id.upper()}", 3, 700)


@pytest.mark.spec("OF-1", "OF-2")
def test_the_first_copy_is_exported_waited_for_imported_and_finalized(offline: World) -> None:
    item = begin(offline)
    assert offline.hyperv.effects.count(f"export.started {HV1}") == 1
    assert set(offline.hyperv.paths.granted) == {(HV1, EXPORT), (item.recovery_host, IMPORT)}
    assert stage() is Stage.EXPORTING
    shanghai, beijing = (offline.fabric(f"vmm-{name}").id for name in ("shanghai", "beijing"))
    watched = first_copies_to_watch([shanghai, beijing])
    assert [(place.host, place.path) for place in watched[shanghai]] == [(HV1, EXPORT)]
    assert [(place.host, place.path) for place in watched[beijing]] == [
        (item.recovery_host, IMPORT)
    ]

    export_whole(offline, item)
    look(offline)
    assert stage() is Stage.WAITING_FOR_DATA
    assert not Job.objects.filter(scenario="ImportInitialReplication").exists()

    offline.hyperv.paths.folders[IMPORT] = (f"GoldVM1_{item.vm_id.upper()}", 2, 300)
    look(offline)
    assert stage() is Stage.ARRIVING

    offline.hyperv.paths.carry(EXPORT, IMPORT)
    look(offline)
    job = Job.objects.get(scenario="ImportInitialReplication")
    assert (job.state, job.started_by) == (JobState.SUCCEEDED, "Site Recovery")
    assert the_copy().imported_at is not None
    assert first_copies_to_watch([shanghai, beijing]) == {shanghai: [], beijing: []}

    offline.hyperv.finish_copy(item.vm_id)
    offline.report()
    offline.turn()
    assert offline.item().state == ProtectionState.PROTECTED
    assert offline.hyperv.effects.count(f"copy.imported {item.recovery_host}") == 1


@pytest.mark.spec("OF-2")
def test_nothing_is_enabled_while_a_path_or_a_delegation_is_missing(offline: World) -> None:
    offline.hyperv.paths.missing.add(IMPORT)
    offline.hyperv.paths.untrusted.add(HV1)
    _, job = offline.enable()
    offline.turn()
    job.refresh_from_db()
    [error] = job.errors
    assert error["code"] == "OfflineReplicationNotReady"
    assert len(error["possibleCauses"]) == 3
    assert f"open the computer account of {HV1}" in error["recommendedAction"]
    assert IMPORT in error["recommendedAction"]
    assert not [each for each in offline.hyperv.effects if each.startswith("replication.enabled")]
    assert offline.item().state == ProtectionState.ENABLING_FAILED

    offline.hyperv.paths.missing.clear()
    offline.hyperv.paths.untrusted.clear()
    begin(offline)


@pytest.mark.spec("OF-1")
def test_what_was_seen_before_an_export_began_does_not_begin_it_again(offline: World) -> None:
    item = begin(offline)
    side = item.side("Primary")
    assert side is not None
    began_at = the_copy().began_at
    for seconds, expected in ((-5, Stage.EXPORTING), (20, Stage.EXPORTING), (31, BROKEN_OFF)):
        side.state, side.observed_at = "ReadyForInitialReplication", began_at
        side.observed_at += timedelta(seconds=seconds)
        told = side.wire()
        told.state = side.state
        side.observed = told.SerializeToString()
        side.save()
        follow_offline_copies(offline.now)
        assert stage() is expected
    assert Job.objects.filter(scenario="ExportInitialReplication").count() == 1


@pytest.mark.spec("OF-1")
def test_an_export_that_broke_off_begins_again_by_itself_then_only_when_asked(
    offline: World,
) -> None:
    item = begin(offline)
    for number in (2, 3):
        offline.hyperv.copies[HV1, item.vm_id].state = "Error"
        offline.pass_(30)
        offline.report()
        assert stage() is Stage.EXPORT_BROKEN_OFF
        follow_offline_copies(offline.now)
        offline.turn()
        offline.report()
        assert the_copy().exports == number
        assert stage() is Stage.EXPORTING
    offline.hyperv.copies[HV1, item.vm_id].state = "Error"
    offline.pass_(30)
    offline.report()
    follow_offline_copies(offline.now)
    assert the_copy().exports == 3
    with transaction.atomic():
        services.export_first_copy_again(item, ORIGIN, offline.now)
    offline.turn()
    assert the_copy().exports == 4
    assert offline.hyperv.effects.count(f"export.started {HV1}") == 4


@pytest.mark.spec("OF-1")
def test_an_import_that_failed_is_not_tried_again_until_something_changes_or_somebody_asks(
    offline: World,
) -> None:
    item = begin(offline)
    export_whole(offline, item)
    offline.hyperv.paths.carry(EXPORT, IMPORT)
    offline.hyperv.broken["import_initial_replication"] = broken("DiskFull")
    look(offline)
    assert (the_copy().problem or {})["code"] == "DiskFull"
    for _ in range(3):
        offline.pass_(60)
        follow_offline_copies(offline.now)
        look(offline)
    assert Job.objects.filter(scenario="ImportInitialReplication").count() == 1
    offline.hyperv.broken.clear()
    with transaction.atomic():
        job = services.import_first_copy(item, ORIGIN, offline.now)
    offline.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert the_copy().problem is None


@pytest.mark.spec("OF-1")
def test_the_operator_can_name_another_path_and_is_told_what_is_not_there(offline: World) -> None:
    item = begin(offline)
    assert (
        refusal(lambda: services.import_first_copy(item, ORIGIN, offline.now)).failure.code
        == "OperationNotAllowed"
    )
    export_whole(offline, item)
    look(offline)
    for path, code in ((r"\\FilesBj\Other", "FirstCopyNotThere"), (IMPORT, "FirstCopyIncomplete")):
        offline.hyperv.paths.folders[IMPORT] = (f"GoldVM1_{item.vm_id.upper()}", 3, 1)
        with transaction.atomic():
            job = services.import_first_copy(item, ORIGIN, offline.now, path=path)
        offline.turn()
        job.refresh_from_db()
        assert [error["code"] for error in job.errors] == [code]
        assert EXPORT in job.errors[0]["recommendedAction"]
    offline.hyperv.paths.carry(EXPORT, r"\\FilesBj\Other")
    with transaction.atomic():
        job = services.import_first_copy(item, ORIGIN, offline.now, path=r"\\FilesBj\Other")
    offline.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED


@pytest.mark.spec("OF-1", "RE-7")
def test_an_item_whose_data_is_on_its_way_can_be_disabled(offline: World) -> None:
    item = begin(offline)
    export_whole(offline, item)
    look(offline)
    with transaction.atomic():
        services.disable_protection(item, ORIGIN, offline.now)
    offline.turn()
    assert not ProtectedItem.objects.exists()
    assert not OfflineCopy.objects.exists()
    assert (
        refusal(lambda: services.import_first_copy(item, ORIGIN, offline.now)).failure.code
        == "NoOfflineCopy"
    )


def test_a_machine_over_the_network_has_no_offline_copy(world: World) -> None:
    item = world.protect()
    assert (
        refusal(lambda: services.import_first_copy(item, ORIGIN, world.now)).failure.code
        == "NoOfflineCopy"
    )
    follow_offline_copies(world.now + timedelta(hours=1))
    assert not OfflineCopy.objects.exists()


def copy_of(world: World, host: str, *, size_bytes: int = 40 * GIBIBYTE) -> None:
    """VMM in Beijing knows a machine of the same id."""
    machine = world.machine("GoldVM1")
    message = inventory_pb2.VirtualMachine(
        id="vmm-copy", vm_id=machine.vm_id, name="GoldVM1", host_fqdn=host, state="PowerOff"
    )
    message.disks.add(name="disk0", format="VHDX", size_bytes=size_bytes)
    VirtualMachine.objects.create(
        vault=world.vault,
        fabric=world.fabric("vmm-beijing"),
        external_id="vmm-copy",
        name="GoldVM1 copy",
        details=details(message),
        vm_id=machine.vm_id,
        cloud_external_id="",
        host_fqdn=host,
        state="PowerOff",
    )
    world.hyperv.copies[host, machine.vm_id] = Copy()


@pytest.fixture
def paired(world: World) -> World:
    world.pair()
    world.turn()
    return world


@pytest.mark.spec("RE-7")
@pytest.mark.parametrize("host", RECOVERY_HOSTS)
def test_the_host_that_kept_the_replica_is_chosen_and_its_copy_used(
    paired: World, host: str
) -> None:
    copy_of(paired, host)
    _, job = paired.enable()
    paired.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.errors
    item = paired.item()
    assert item.recovery_host == host
    assert item.placement[0]["reasons"] == ["it has a copy of the machine already"]
    effects = paired.hyperv.effects
    assert f"replica.made {host}" in effects
    assert effects.index(f"replica.made {host}") < effects.index(f"replication.enabled {HV1}")


@pytest.mark.spec("RE-7")
def test_a_copy_that_was_there_before_is_not_deleted_after_enabling_failed(paired: World) -> None:
    Policy.objects.update(delete_replica=True)
    copy_of(paired, RECOVERY_HOSTS[0])
    paired.hyperv.broken["start_initial_replication"] = broken()
    paired.enable()
    paired.turn()
    paired.report()
    item = paired.item()
    assert item.state == ProtectionState.ENABLING_FAILED
    assert (item.recovery_observed or {})["mode"] == "Replica"
    with transaction.atomic():
        services.disable_protection(item, ORIGIN, paired.now)
    paired.turn()
    assert not ProtectedItem.objects.exists()
    assert (RECOVERY_HOSTS[0], item.vm_id) in paired.hyperv.copies


@pytest.mark.spec("RE-7")
def test_a_copy_with_other_disks_is_refused_with_the_remedy(paired: World) -> None:
    copy_of(paired, RECOVERY_HOSTS[0], size_bytes=41 * GIBIBYTE)
    error = refusal(paired.enable)
    assert (error.failure.code, error.status) == ("ExistingCopyDisksDiffer", 409)
    assert f"delete the machine on {RECOVERY_HOSTS[0]}" in error.failure.recommended_action
    assert not ProtectedItem.objects.exists()


def replicating(world: World, **changes: object) -> None:
    """The inventory shows that the machine replicates by hand to the first recovery host."""
    machine = world.machine("GoldVM1")
    relationship = {
        "mode": "Primary",
        "state": "Replicating",
        "primary_server": HV1.upper(),
        "replica_server": RECOVERY_HOSTS[0].upper(),
        "frequency_seconds": 300,
        **changes,
    }
    machine.details["replication"] = relationship
    machine.save()
    world.hyperv.copies[HV1, machine.vm_id] = Copy(
        vm_state="Running",
        mode="Primary",
        state="Replicating",
        replica_server=RECOVERY_HOSTS[0],
    )
    world.hyperv.copies[RECOVERY_HOSTS[0], machine.vm_id] = Copy(
        mode="Replica", state="Replicating"
    )


@pytest.mark.spec("RE-6")
def test_a_replication_that_is_there_is_taken_over_without_a_first_copy(paired: World) -> None:
    replicating(paired)
    _, job = paired.enable()
    paired.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.errors
    item = paired.item()
    assert item.recovery_host == RECOVERY_HOSTS[0]
    assert f"replica.allows {HV1}" in paired.hyperv.effects
    begun = {f"copy.started {HV1}", f"replication.enabled {HV1}"}
    assert not begun & set(paired.hyperv.effects)
    paired.report()
    paired.turn()
    assert paired.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("RE-6")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"replica_server": "elsewhere.contoso.com"}, "ExistingReplicationElsewhere"),
        ({"primary_server": "moved.contoso.com"}, "ExistingReplicationFromElsewhere"),
        ({"extended": True}, "ExistingReplicationExtended"),
        ({"mode": "Replica"}, "VirtualMachineIsReplica"),
    ],
)
def test_a_replication_that_cannot_be_taken_over_is_refused_with_its_reason(
    paired: World, changes: dict[str, object], code: str
) -> None:
    replicating(paired, **changes)
    error = refusal(paired.enable)
    assert (error.failure.code, error.status) == (code, 409)
    assert error.failure.recommended_action


@pytest.mark.spec("RE-6")
def test_a_replication_that_is_gone_by_then_is_told(paired: World) -> None:
    replicating(paired)
    vm_id = paired.machine("GoldVM1").vm_id
    paired.hyperv.copies[HV1, vm_id] = Copy(vm_state="Running")
    _, job = paired.enable()
    paired.turn()
    job.refresh_from_db()
    assert [error["code"] for error in job.errors] == ["ExistingReplicationChanged"]
