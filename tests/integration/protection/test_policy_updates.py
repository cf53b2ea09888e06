"""An edited policy is applied to what replicates by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from coordinator.fabrics.models import Host, Provider
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.protection import services as protection
from coordinator.protection.models import Pairing, Policy, ProtectedItem
from coordinator.protection.policies.updating import apply_policies
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import ProtectionState
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("PO-4")]

HV1 = "goldcloud1-hv1.shanghai.contoso.com"
BEIJING = "goldcloud2-hv1.beijing.contoso.com"


def update(world: World, **given: object) -> Job | None:
    return update_by(world, ORIGIN, given)


def update_by(world: World, origin: RequestOrigin, given: dict[str, object]) -> Job | None:
    with transaction.atomic():
        policy = Policy.objects.get(vault=world.vault, name="Gold")
        return protection.update_policy(policy, given, origin, world.now)


def apply(world: World) -> None:
    with transaction.atomic():
        apply_policies(world.now)
    world.turn()


def refused(call: Callable[[], object]) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        call()
    assert error.value.failure.possible_causes
    assert error.value.failure.recommended_action
    return error.value


def jobs() -> int:
    return Job.objects.filter(scenario="UpdateProtectionProfile").count()


def test_new_values_reach_the_machines_that_replicate(world: World) -> None:
    item = world.protect()
    job = update(
        world,
        replicationFrequencyInSeconds=900,
        recoveryPoints=8,
        applicationConsistentSnapshotFrequencyInHours=4,
        compression="Enable",
    )
    assert job is not None
    world.turn()
    job.refresh_from_db()
    assert (job.state, job.friendly_name) == ("Succeeded", "Update replication policy")
    assert world.hyperv.copies[HV1, item.vm_id].settings == {
        "frequency_seconds": 900,
        "recovery_points": 8,
        "application_consistent_hours": 4,
        "compression": True,
        "port": world.hyperv.servers[HV1].port,
        "authentication_type": 2,
        "certificate_thumbprint": world.hyperv.servers[HV1].certificate_thumbprint,
    }
    assert world.item().policy_revision == Policy.objects.get().revision == 2
    apply(world)
    assert jobs() == 1


def test_what_is_not_given_stays_and_equal_values_change_nothing(world: World) -> None:
    world.protect()
    assert update(world, replicationFrequencyInSeconds=30) is None
    update(world, recoveryPoints=6)
    policy = Policy.objects.get()
    assert (policy.replication_frequency_seconds, policy.recovery_points) == (30, 6)
    assert policy.authentication_type == "Certificate"


def test_a_change_that_no_replication_follows_needs_no_job(world: World) -> None:
    world.protect()
    assert update(world, replicaDeletion="Required", onlineReplicationStartTime="22:00:00") is None
    policy = Policy.objects.get()
    assert policy.delete_replica
    assert policy.online_replication_start_time == "22:00:00"
    assert policy.revision == 1


def test_another_port_is_configured_on_all_hosts_before_any_machine_sends_to_it(
    world: World,
) -> None:
    item = world.protect()
    before = len(world.hyperv.effects)
    update(world, replicationPort=9443)
    world.turn()
    assert {server.port for server in world.hyperv.servers.values()} == {9443}
    settings = world.hyperv.copies[HV1, item.vm_id].settings
    assert settings["port"] == 9443
    done = world.hyperv.effects[before:]
    assert done[-1] == f"replication.changed {HV1}"
    assert Pairing.objects.get().configured_port == 9443


def test_from_kerberos_to_certificates_hosts_get_theirs_first(world: World) -> None:
    world.policy(allowedAuthenticationType=1)
    item = world.protect()
    assert not world.hyperv.certificates
    update(world, allowedAuthenticationType=2)
    world.turn()
    assert len(world.hyperv.certificates) == 4
    settings = world.hyperv.copies[HV1, item.vm_id].settings
    assert settings["authentication_type"] == 2
    assert settings["certificate_thumbprint"] == world.hyperv.servers[HV1].certificate_thumbprint


def test_a_busy_or_failed_over_item_follows_when_it_is_free(world: World) -> None:
    world.protect()
    item = world.item()
    item.state = ProtectionState.COMMITTED
    item.save()
    assert update(world, recoveryPoints=6) is None
    apply(world)
    assert jobs() == 0
    item.state = ProtectionState.PROTECTED
    item.save()
    apply(world)
    assert jobs() == 1
    assert world.item().policy_revision == 2


def test_an_item_that_was_busy_sends_to_the_new_port_too_when_it_follows(world: World) -> None:
    item = world.protect()
    item.state = ProtectionState.COMMITTED
    item.save()
    update(world, replicationPort=9443)
    world.turn()
    item.state = ProtectionState.PROTECTED
    item.save()
    apply(world)
    settings = world.hyperv.copies[HV1, item.vm_id].settings
    assert settings["port"] == 9443
    assert settings["certificate_thumbprint"] == world.hyperv.servers[HV1].certificate_thumbprint
    assert world.item().policy_revision == 2


def test_a_job_holds_some_items_at_a_time_and_the_others_follow(world: World) -> None:
    world.protect()
    world.enable("GoldVM2")
    world.turn()
    Policy.objects.update(revision=2, recovery_points=6)
    with transaction.atomic():
        apply_policies(world.now, at_once=1)
    job = Job.objects.get(scenario="UpdateProtectionProfile")
    assert job.locks.filter(key__startswith="item:").count() == 1
    world.turn()
    assert jobs() == 2
    assert not ProtectedItem.objects.exclude(policy_revision=2).exists()


def test_an_item_that_cannot_be_changed_is_told_and_tried_again_later(world: World) -> None:
    item = world.protect()
    world.hyperv.broken["change_replication"] = broken()
    job = update(world, recoveryPoints=6)
    world.turn()
    assert job is not None
    job.refresh_from_db()
    assert job.state_description == "CompletedWithInformation"
    apply(world)
    assert jobs() == 1
    world.hyperv.broken.clear()
    world.pass_(120)
    Provider.objects.update(last_heartbeat_at=world.now)
    apply(world)
    assert jobs() == 2
    assert world.hyperv.copies[HV1, item.vm_id].settings["recovery_points"] == 6


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"replicationFrequencyInSeconds": 60}, "replicationFrequencyInSeconds"),
        ({"recoveryPoints": 25}, "recoveryPoints"),
        (
            {"applicationConsistentSnapshotFrequencyInHours": 4},
            "applicationConsistentSnapshotFrequencyInHours",
        ),
        ({"instanceType": "HyperVReplica2012", "recoveryPoints": 16}, "recoveryPoints"),
        ({"offlineReplicationExportPath": "C:\\x"}, "offlineReplicationExportPath"),
        ({"replicationPort": 70000}, "replicationPort"),
        ({"frequency": 30}, "frequency"),
    ],
)
def test_a_bad_value_is_refused_by_its_field_and_nothing_is_changed(
    world: World, given: dict[str, object], field: str
) -> None:
    world.protect()
    error = refused(lambda: update(world, **given))
    assert (error.failure.code, error.field, error.status) == ("InvalidPolicyField", field, 400)
    assert Policy.objects.get().revision == 1
    assert jobs() == 0


@pytest.mark.spec("PO-2")
def test_a_host_version_that_hosts_do_not_run_is_refused_by_their_names(world: World) -> None:
    world.pair()
    world.turn()
    error = refused(lambda: update(world, instanceType="HyperVReplica2012"))
    assert error.status == 409
    assert HV1 in error.failure.message
    assert BEIJING in error.failure.message
    assert Policy.objects.get().instance_type == "HyperVReplica2012R2"


def test_a_port_that_shared_hosts_do_not_listen_on_is_refused(world: World) -> None:
    world.pair()
    world.turn()
    for number in (1, 2):
        cloud = world.cloud(f"SilverCloud{number}")
        cloud.details["host_group_paths"] = [f"All Hosts\\GoldCloud{number}"]
        cloud.save()
    world.policy("Silver")
    world.pair("SilverCloud1", "SilverCloud2", policy="Silver")
    world.turn()
    error = refused(lambda: update(world, replicationPort=9443))
    assert error.failure.code == "HostUsesOtherPort"


def test_while_its_job_runs_a_policy_is_busy(world: World) -> None:
    world.protect()
    update(world, recoveryPoints=6)
    error = refused(lambda: update(world, recoveryPoints=7))
    assert (error.failure.code, error.status) == ("532", 409)
    assert Policy.objects.get().recovery_points == 6


def test_the_same_request_again_finds_its_job(world: World) -> None:
    world.protect()
    origin = RequestOrigin(started_by="tests", client_request_id="once")
    job = update_by(world, origin, {"recoveryPoints": 6})
    assert update_by(world, origin, {"recoveryPoints": 6}) == job
    assert jobs() == 1


def test_a_policy_in_use_is_not_deleted(world: World) -> None:
    world.pair()
    with pytest.raises(RefusedError) as error, transaction.atomic():
        protection.delete_policy(Policy.objects.get())
    assert error.value.failure.code == "PolicyInUse"
    assert Host.objects.exists()
