"""Certificates of hosts are renewed in time and rolled over in order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, Step
from coordinator.jobs.registry import Registry
from coordinator.protection.models import HostCertificate, PairedHost, Pairing
from coordinator.protection.pairing.renewal import renew_certificates, renew_due_certificates
from coordinator.protection.pairing.renewal_planner import RETIRE_SCENARIO
from coordinator.protection.pairing.retirement import retire_certificates
from coordinator.protection.states import ProtectionState
from tests.integration.protection.fake_hyperv import broken, thumbprint_of
from tests.integration.protection.world import ORIGIN, World, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.spec("PO-3")]

HV1 = "goldcloud1-hv1.shanghai.contoso.com"
HOSTS = 4


def pass_days(world: World, days: float) -> None:
    world.pass_(days * 86400)
    Provider.objects.update(last_heartbeat_at=world.now)


def renew_due(world: World) -> None:
    with transaction.atomic():
        renew_due_certificates(world.now)
    world.turn()


def retire(world: World) -> None:
    with transaction.atomic():
        retire_certificates(world.now)
    world.turn()


def thumbprints(world: World, host: str) -> list[str]:
    return [thumbprint_of(certificate) for certificate in world.hyperv.certificates[host]]


def test_certificates_are_renewed_when_a_third_of_their_life_is_left(world: World) -> None:
    world.pair()
    world.turn()
    pass_days(world, 486)
    renew_due(world)
    assert not Job.objects.filter(scenario="RenewReplicationCertificates").exists()
    pass_days(world, 1)
    renew_due(world)
    assert Job.objects.filter(scenario="RenewReplicationCertificates").count() == HOSTS
    soon = world.now + timedelta(days=700)
    assert not PairedHost.objects.filter(certificate_not_after__lte=soon).exists()
    renew_due(world)
    assert Job.objects.filter(scenario="RenewReplicationCertificates").count() == HOSTS


def test_a_roll_over_installs_switches_changes_machines_and_removes_the_old_one_last(
    world: World,
) -> None:
    item = world.protect()
    [old] = thumbprints(world, HV1)
    before = len(world.hyperv.effects)
    pass_days(world, 490)
    renew_due(world)
    [new] = thumbprints(world, HV1)
    assert new != old
    own = [effect for effect in world.hyperv.effects[before:] if effect.endswith(HV1)]
    assert own == [
        f"certificate.installed {HV1}",
        f"server.configured {HV1}",
        f"replication.changed {HV1}",
        f"certificates.removed {HV1}",
    ]
    assert world.hyperv.copies[HV1, item.vm_id].certificate_thumbprint == new
    assert world.hyperv.servers[HV1].certificate_thumbprint == new
    assert PairedHost.objects.get(host__name=HV1).certificate_thumbprint == new
    assert not HostCertificate.objects.filter(superseded_at__isnull=False).exists()
    assert world.item().state == ProtectionState.PROTECTED


def test_an_old_certificate_stays_while_an_operation_may_still_name_it(world: World) -> None:
    world.protect()
    item = world.item()
    item.state = ProtectionState.COMMIT_PENDING
    item.save()
    pass_days(world, 490)
    renew_due(world)
    assert len(thumbprints(world, HV1)) == 2
    retire(world)
    assert len(thumbprints(world, HV1)) == 2
    item.state = ProtectionState.PROTECTED
    item.save()
    retire(world)
    assert len(thumbprints(world, HV1)) == 1


def test_a_machine_that_cannot_be_changed_keeps_the_old_certificate_there(world: World) -> None:
    item = world.protect()
    world.hyperv.broken["change_replication"] = broken()
    [old] = thumbprints(world, HV1)
    pass_days(world, 490)
    renew_due(world)
    assert old in thumbprints(world, HV1)
    failed = Job.objects.get(scenario="RetireReplicationCertificates", state="Failed")
    retire(world)
    assert (
        Job.objects.filter(scenario="RetireReplicationCertificates", state="Failed").get() == failed
    )
    world.hyperv.broken.clear()
    pass_days(world, 0.1)
    retire(world)
    assert thumbprints(world, HV1) == [world.hyperv.copies[HV1, item.vm_id].certificate_thumbprint]


def test_a_renewal_that_fails_pauses_and_is_tried_again(world: World) -> None:
    world.pair()
    world.turn()
    pass_days(world, 490)
    world.hyperv.broken["install_host_certificate"] = broken()
    renew_due(world)
    renew_due(world)
    assert Job.objects.filter(scenario="RenewReplicationCertificates").count() == HOSTS
    world.hyperv.broken.clear()
    pass_days(world, 0.1)
    renew_due(world)
    assert len(thumbprints(world, HV1)) == 1
    assert world.hyperv.servers[HV1].certificate_thumbprint == thumbprints(world, HV1)[0]


def test_a_host_of_two_pairings_has_one_certificate_for_both(world: World) -> None:
    world.pair()
    world.turn()
    for number in (1, 2):
        cloud = world.cloud(f"SilverCloud{number}")
        cloud.details["host_group_paths"] = [f"All Hosts\\GoldCloud{number}"]
        cloud.save()
    world.pair("SilverCloud1", "SilverCloud2")
    world.turn()
    pass_days(world, 490)
    renew_due(world)
    rows = PairedHost.objects.filter(host__name=HV1)
    assert rows.count() == 2
    assert {row.certificate_thumbprint for row in rows} == set(thumbprints(world, HV1))


def test_hosts_of_one_name_in_two_vaults_have_nothing_to_do_with_each_other(
    world: World, registry: Registry
) -> None:
    other = make_world(registry)
    worlds = (world, other)
    for each in worlds:
        each.pair()
        each.turn()
    pass_days(world, 487)
    other.now = world.now
    renew_due(world)
    assert Job.objects.filter(scenario="RenewReplicationCertificates").count() == 2 * HOSTS
    for each in (*worlds, *worlds):
        each.turn()
    for each in worlds:
        retired = Job.objects.filter(scenario=RETIRE_SCENARIO, vault=each.vault)
        assert retired.count() == HOSTS
        steps = Step.objects.filter(job__in=retired, provider__isnull=False)
        assert set(steps.values_list("provider__vault_id", flat=True)) == {each.vault.id}
        assert len(thumbprints(each, HV1)) == 1


def test_renewal_can_be_asked_for(world: World) -> None:
    pairing, _ = world.pair()
    world.turn()
    [old] = thumbprints(world, HV1)
    with transaction.atomic():
        job = renew_certificates(Pairing.objects.get(), ORIGIN, world.now)
    world.turn()
    job.refresh_from_db()
    assert job.state == "Succeeded"
    assert job.target_id == str(pairing.id)
    assert thumbprints(world, HV1) != [old]
    assert len(thumbprints(world, HV1)) == 1


def test_without_certificates_there_is_nothing_to_renew(world: World) -> None:
    world.policy(allowedAuthenticationType=1)
    world.pair()
    world.turn()
    with pytest.raises(RefusedError) as refused, transaction.atomic():
        renew_certificates(Pairing.objects.get(), ORIGIN, world.now)
    assert refused.value.failure.code == "PolicyUsesKerberos"
    pass_days(world, 1000)
    renew_due(world)
    assert not Job.objects.filter(scenario="RenewReplicationCertificates").exists()


@pytest.mark.spec("PA-4")
def test_unpairing_removes_superseded_certificates_too_and_closes_the_port(world: World) -> None:
    pairing, _ = world.pair()
    world.turn()
    world.hyperv.broken["remove_host_certificates"] = broken()
    pass_days(world, 490)
    renew_due(world)
    assert len(thumbprints(world, HV1)) == 2
    world.unpair(pairing)
    world.turn()
    assert thumbprints(world, HV1) == []
    assert not world.hyperv.open_ports[HV1]
    assert not HostCertificate.objects.exists()
