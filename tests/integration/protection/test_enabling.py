from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coordinator.fabrics.models import FabricObject, VirtualMachine
from coordinator.jobs.models import Job, OutboxMessage
from coordinator.jobs.states import JobState
from coordinator.protection import services
from coordinator.protection.enabling.services import start_time_after
from coordinator.protection.models import PairedHost, ProtectedItem
from coordinator.protection.operations import Operation, allowed_operations
from coordinator.protection.queries import picture_of
from coordinator.protection.states import ProtectionState
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import change_host, refusal
from tests.integration.protection.world import ORIGIN, World, add_machine

pytestmark = pytest.mark.django_db

HV1 = "goldcloud1-hv1.shanghai.contoso.com"
RECOVERY_HOSTS = [f"goldcloud2-hv{number}.beijing.contoso.com" for number in (1, 2)]


@pytest.fixture
def paired(world: World) -> World:
    world.pair()
    world.turn()
    return world


@pytest.mark.spec("RE-1", "PA-3")
def test_a_machine_of_an_unpaired_cloud_is_refused(paired: World) -> None:
    add_machine(paired, "SilverVM9", "SilverCloud1", "silvercloud1-hv1.shanghai.contoso.com")
    error = refusal(lambda: paired.enable("SilverVM9"))
    assert (error.failure.code, error.status) == ("CloudNotPaired", 409)
    assert "SilverCloud1" in error.failure.message


def test_a_machine_of_a_recovery_cloud_is_refused(paired: World) -> None:
    add_machine(paired, "BeijingVM", "GoldCloud2", RECOVERY_HOSTS[0])
    assert refusal(lambda: paired.enable("BeijingVM")).failure.code == "CloudNotPaired"


def test_a_machine_is_refused_while_its_clouds_are_being_paired(world: World) -> None:
    world.pair()
    assert refusal(world.enable).failure.code == "CloudPairingIncomplete"


@pytest.mark.spec("PR-3")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "Saved"}, "VirtualMachineStateNotSupported"),
        ({"cloud_external_id": ""}, "VirtualMachineNotInCloud"),
        ({"gone_at": datetime(2026, 1, 1, tzinfo=UTC)}, "VirtualMachineNotFound"),
    ],
)
def test_a_machine_that_is_not_ready_is_refused(
    paired: World, changes: dict[str, object], code: str
) -> None:
    for column, value in changes.items():
        VirtualMachine.objects.filter(name="GoldVM1").update(**{column: value})
    assert refusal(paired.enable).failure.code == code


@pytest.mark.spec("FO-6")
def test_a_machine_that_is_being_enabled_is_busy_then_protected_already(paired: World) -> None:
    origin = replace(ORIGIN, client_request_id="one")
    item, job = paired.enable(origin=origin)
    assert paired.enable(origin=origin) == (item, job)
    busy = refusal(lambda: paired.enable(origin=replace(ORIGIN, client_request_id="two")))
    assert busy.failure.code == "532"
    assert str(job.id) in busy.failure.message
    paired.turn()
    error = refusal(lambda: paired.enable(origin=replace(ORIGIN, client_request_id="two")))
    assert (error.failure.code, error.status) == ("VirtualMachineAlreadyProtected", 409)
    assert paired.enable(origin=origin) == (item, job)


def test_a_name_is_used_once_in_a_cloud(paired: World) -> None:
    paired.enable("GoldVM1", name="item")
    assert refusal(lambda: paired.enable("GoldVM2", name="ITEM")).failure.code == "NameInUse"


def test_the_policy_must_be_that_of_the_pair(paired: World) -> None:
    other = paired.policy("Other")
    error = refusal(lambda: paired.enable(policy=other))
    assert (error.failure.code, error.field) == ("PolicyNotOfPairing", "policyId")
    paired.enable(policy=paired.policy("Gold"))


def test_a_host_that_was_added_later_must_be_configured_first(paired: World) -> None:
    PairedHost.objects.filter(host__name=HV1).delete()
    error = refusal(paired.enable)
    assert error.failure.code == "HostNotPaired"
    assert HV1 in error.failure.message


@pytest.mark.spec("ST-2")
def test_replicas_are_spread_by_the_memory_they_will_need(paired: World) -> None:
    change_host(RECOVERY_HOSTS[0], available_memory_bytes=str(17 * 1024**3))
    change_host(RECOVERY_HOSTS[1], available_memory_bytes=str(18 * 1024**3))
    for name in ("GoldVM1", "GoldVM2"):
        paired.enable(name)
        paired.turn()
    chosen = ProtectedItem.objects.order_by("friendly_name").values_list("recovery_host", flat=True)
    assert list(chosen) == [RECOVERY_HOSTS[1], RECOVERY_HOSTS[0]]


@pytest.mark.spec("ST-2")
def test_a_full_volume_is_left_out_and_the_failure_says_why_each_host_was(paired: World) -> None:
    FabricObject.objects.create(
        vault=paired.vault,
        fabric=paired.fabric("vmm-beijing"),
        kind="storage_location",
        external_id="volume",
        name="volume",
        details={"id": "v", "path": "C:\\", "free_bytes": "1", "host_fqdns": [RECOVERY_HOSTS[1]]},
    )
    change_host(RECOVERY_HOSTS[0], maintenance=True)
    item, job = paired.enable()
    paired.turn()
    job.refresh_from_db()
    item.refresh_from_db()
    [error] = job.errors
    assert error["code"] == "NoSuitableHost"
    causes = "\n".join(error["possibleCauses"])
    assert f"{RECOVERY_HOSTS[0]}: in maintenance" in causes
    assert "needs 40.0 GiB" in causes
    assert item.state == ProtectionState.ENABLING_FAILED


def test_a_failed_enabling_is_taken_up_by_the_next_request(paired: World) -> None:
    paired.hyperv.broken["start_initial_replication"] = broken()
    item, job = paired.enable()
    paired.turn()
    item.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, item.state) == (JobState.FAILED, ProtectionState.ENABLING_FAILED)
    paired.hyperv.broken.clear()
    again, _ = paired.enable()
    paired.turn()
    again.refresh_from_db()
    assert again.id == item.id
    assert again.state == ProtectionState.INITIAL_REPLICATION
    assert again.recovery_host == item.recovery_host
    assert paired.hyperv.effects.count(f"replication.enabled {HV1}") == 1


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("mode", "Replica", "VirtualMachineIsReplica"),
        ("vm_state", "Paused", "VirtualMachineStateNotSupported"),
    ],
)
def test_what_hyperv_says_of_the_machine_counts_too(
    paired: World, column: str, value: str, code: str
) -> None:
    setattr(paired.hyperv.copies[HV1, paired.machine("GoldVM1").vm_id], column, value)
    _, job = paired.enable()
    paired.turn()
    job.refresh_from_db()
    assert [error["code"] for error in job.errors] == [code]


@pytest.mark.spec("RE-2")
def test_a_first_copy_that_ends_before_the_job_is_finalized_when_the_job_ends(
    paired: World,
) -> None:
    item, job = paired.enable()
    while not paired.hyperv.effects or not paired.hyperv.effects[-1].startswith("copy.started"):
        paired.work()
        paired._serve(paired.shanghai)
    paired.hyperv.finish_copy(item.vm_id)
    paired.report()
    job.refresh_from_db()
    assert job.state == JobState.IN_PROGRESS
    paired.turn()
    assert paired.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("RE-2")
def test_finalizing_that_fails_is_tried_again_with_the_next_report(paired: World) -> None:
    paired.enable()
    paired.turn()
    paired.hyperv.finish_copy(paired.item().vm_id)
    paired.hyperv.broken["refresh_host"] = broken()
    paired.report()
    paired.turn()
    assert paired.item().state == ProtectionState.INITIAL_REPLICATION_COMPLETED
    paired.hyperv.broken.clear()
    paired.pass_(60)
    paired.report()
    paired.turn()
    assert paired.item().state == ProtectionState.PROTECTED


@pytest.mark.spec("RE-2", "RE-5")
def test_a_primary_that_lost_its_power_keeps_its_whole_replica_from_nothing(paired: World) -> None:
    """Its side had been finalized; now it wants a resynchronization, which may be asked for."""
    paired.enable()
    paired.turn()
    item = paired.item()
    paired.hyperv.finish_copy(item.vm_id)
    paired.hyperv.broken["refresh_host"] = broken()
    paired.report()
    paired.turn()
    assert paired.item().state == ProtectionState.INITIAL_REPLICATION_COMPLETED
    primary = paired.hyperv.copies[item.primary_host, item.vm_id]
    primary.state = "WaitingForStartResynchronize"
    paired.hyperv.broken.clear()
    paired.pass_(60)
    paired.report()
    assert Operation.REPAIR_REPLICATION in allowed_operations(
        ProtectionState(paired.item().state), picture_of(paired.item())
    )
    paired.turn()
    assert paired.item().state == ProtectionState.PROTECTED


def test_finalizing_twice_is_finalizing_once(paired: World) -> None:
    item = paired.protect()
    ProtectedItem.objects.filter(id=item.id).update(state=ProtectionState.INITIAL_REPLICATION)
    jobs = Job.objects.count()
    for _ in range(3):
        services.finalize(paired.now, str(item.id))
    assert Job.objects.count() == jobs + 1
    paired.turn()
    services.finalize(paired.now, str(item.id))
    assert Job.objects.count() == jobs + 2
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize(
    ("time_of_day", "start"),
    [
        ("", ""),
        ("20:00:00", "2026-01-02T20:00:00Z"),
        ("03:04:05", "2026-01-03T03:04:05Z"),
        ("01:00:00", "2026-01-03T01:00:00Z"),
    ],
)
@pytest.mark.spec("PO-1")
def test_a_start_time_is_the_next_such_time_of_day(time_of_day: str, start: str) -> None:
    assert start_time_after(time_of_day, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == start
