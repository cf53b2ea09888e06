"""The way of one machine there and back, on PostgreSQL, with hosts that answer from their state."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection.models import PairedHost, RecoveryPoint
from coordinator.protection.queries import machines_to_watch
from coordinator.protection.states import ActiveLocation, FailoverDirection, PairingState
from coordinator.recovery import services as recovery
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

PRIMARY_HOST = "goldcloud1-hv1.shanghai.contoso.com"
RECOVERY_HOST = "goldcloud2-hv2.beijing.contoso.com"


def scenarios(world: World) -> list[tuple[str, str]]:
    jobs = Job.objects.filter(vault=world.vault).order_by("created_at", "finished_at")
    return list(jobs.values_list("scenario", "state"))


def failover(world: World, direction: FailoverDirection) -> Job:
    with transaction.atomic():
        job = recovery.planned_failover(world.item(), direction, ORIGIN, world.now)
    world.turn()
    world.report(points=1)
    return job


@pytest.mark.spec("PA-3", "PO-3", "PA-1")
def test_pairing_configures_every_host_of_both_clouds(world: World) -> None:
    pairing, job = world.pair()
    assert pairing.state == PairingState.PAIRING
    world.turn()
    pairing.refresh_from_db()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.errors
    assert [task.state for task in job_view(job).tasks] == ["Succeeded"] * 4
    assert pairing.state == PairingState.PAIRED
    hosts = PairedHost.objects.filter(pairing=pairing).select_related("host")
    assert len(hosts) == 4
    for paired in hosts:
        server = world.hyperv.servers[paired.host.name]
        assert server.replication_enabled
        assert server.port == 8084
        assert server.certificate_thumbprint == paired.certificate_thumbprint
        assert server.default_storage_location == r"C:\Hyper-V\Disks" == paired.storage_location
        others = {other.host.name for other in hosts if other.location != paired.location}
        assert {each.allowed_primary_server for each in server.authorizations} == others
        assert world.hyperv.open_ports[paired.host.name] == {8084}
        [certificate] = world.hyperv.certificates[paired.host.name]
        assert certificate.not_valid_after_utc == paired.certificate_not_after


@pytest.mark.spec("PA-1")
def test_more_clouds_are_associated_with_a_policy_later(world: World) -> None:
    first, _ = world.pair("GoldCloud1", "GoldCloud2")
    world.turn()
    later, job = world.pair("SilverCloud1", "SilverCloud2")
    world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.errors
    for pairing in (first, later):
        pairing.refresh_from_db()
        assert pairing.state == PairingState.PAIRED
        assert pairing.hosts.count() == 4
    assert later.policy == first.policy
    assert world.vault.policies.count() == 1


@pytest.mark.spec("RE-1", "RE-2", "FO-2", "FO-4", "FO-5")
def test_a_machine_goes_there_and_back(world: World) -> None:
    item = world.protect()
    assert item.state == "Protected"
    assert item.recovery_host == RECOVERY_HOST
    assert item.placement[0]["host"] == RECOVERY_HOST
    world.report(points=3)

    failover(world, FailoverDirection.PRIMARY_TO_RECOVERY)
    item = world.item()
    assert (item.state, item.active_location, item.role_epoch) == (
        "PlannedFailoverCommitPendingStatesBegin",
        ActiveLocation.RECOVERY,
        2,
    )
    with transaction.atomic():
        recovery.commit_failover(item, ORIGIN, world.now)
    world.turn()
    assert world.item().state == "CommitFailoverCompleted"
    assert not RecoveryPoint.objects.filter(item=item).exists()
    with transaction.atomic():
        recovery.reverse_replicate(world.item(), ORIGIN, world.now)
    world.turn()
    assert world.item().state == "Protected"
    assert world.item().active_location == ActiveLocation.RECOVERY

    failover(world, FailoverDirection.RECOVERY_TO_PRIMARY)
    with transaction.atomic():
        recovery.reverse_replicate(world.item(), ORIGIN, world.now)
    world.turn()
    item = world.item()
    assert (item.state, item.active_location, item.role_epoch) == (
        "Protected",
        ActiveLocation.PRIMARY,
        3,
    )

    assert scenarios(world) == [
        (scenario, "Succeeded")
        for scenario in (
            "AssociateProtectionProfile",
            "EnableDr",
            "PrimaryIrCompletion",
            "SecondaryIrCompletion",
            "PlannedFailover",
            "CommitFailover",
            "ReverseReplication",
            "PlannedFailover",
            "ReverseReplication",
        )
    ]
    assert [e for e in world.hyperv.effects if not e.startswith(("certificate", "server"))] == [
        f"replication.enabled {PRIMARY_HOST}",
        f"copy.started {PRIMARY_HOST}",
        f"host.refreshed {RECOVERY_HOST}",
        f"vm.off {PRIMARY_HOST}",
        f"failover.prepared {PRIMARY_HOST}",
        f"failover.started {RECOVERY_HOST}",
        f"vm.running {RECOVERY_HOST}",
        f"failover.completed {RECOVERY_HOST}",
        f"replication.reversed {RECOVERY_HOST}",
        f"host.refreshed {PRIMARY_HOST}",
        f"host.refreshed {RECOVERY_HOST}",
        f"vm.off {RECOVERY_HOST}",
        f"failover.prepared {RECOVERY_HOST}",
        f"failover.started {PRIMARY_HOST}",
        f"vm.running {PRIMARY_HOST}",
        f"failover.completed {PRIMARY_HOST}",
        f"replication.reversed {PRIMARY_HOST}",
        f"host.refreshed {PRIMARY_HOST}",
        f"host.refreshed {RECOVERY_HOST}",
    ]
    assert not OperationLock.objects.exists()


@pytest.mark.spec("RE-2")
def test_finalizing_waits_until_both_sides_replicate(world: World) -> None:
    world.pair()
    world.turn()
    item, _ = world.enable()
    world.turn()
    world.report()
    world.turn()
    assert world.item().state == "InitialReplicationInProgress"
    world.hyperv.copies[PRIMARY_HOST, item.vm_id].state = "Replicating"
    world.report()
    world.turn()
    assert world.item().state == "InitialReplicationInProgress"
    world.hyperv.copies[RECOVERY_HOST, item.vm_id].state = "Replicating"
    world.report()
    world.turn()
    assert world.item().state == "Protected"


@pytest.mark.spec("RE-4")
def test_a_report_brings_health_points_and_the_time_of_the_last_replication(world: World) -> None:
    world.protect()
    world.report(points=3)
    item = world.item()
    assert item.replication_health == "Normal"
    assert item.health_errors == []
    assert item.last_replicated_at == world.now - timedelta(seconds=20)
    kinds = item.points.order_by("time").values_list("type", flat=True)
    assert list(kinds) == ["CrashConsistent", "ApplicationConsistent", "CrashConsistent"]
    world.report(points=1)
    assert item.points.count() == 1
    world.hyperv.copies[PRIMARY_HOST, item.vm_id].state = "Suspended"
    world.report()
    item = world.item()
    assert item.replication_health == "Warning"
    assert [error["errorCode"] for error in item.health_errors] == ["67502"]


def test_both_fabrics_are_asked_to_watch_the_machine(world: World) -> None:
    fabrics = [world.fabric(name).id for name in ("vmm-shanghai", "vmm-beijing")]
    assert machines_to_watch(fabrics) == {fabric: [] for fabric in fabrics}
    item = world.protect()
    assert machines_to_watch(fabrics) == {fabric: [item.vm_id] for fabric in fabrics}
    assert machines_to_watch(fabrics[:1]) == {fabrics[0]: [item.vm_id]}
