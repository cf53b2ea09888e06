"""Dissociating clouds: what pairing configured goes, what others use stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import transaction

from coordinator.fabrics.models import Host
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection import services as protection
from coordinator.protection.models import PairedHost, Pairing, Policy
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import PairingState
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("PA-4")]


@pytest.fixture
def paired(world: World) -> World:
    world.pair()
    world.turn()
    return world


def begin(name: str = "GoldCloud1-GoldCloud2", origin: RequestOrigin = ORIGIN) -> Job:
    pairing = Pairing.objects.get(name=name)
    with transaction.atomic():
        return protection.remove_pairing(pairing, origin, pairing.created_at)


def run(world: World, name: str = "GoldCloud1-GoldCloud2") -> Job:
    pairing = Pairing.objects.get(name=name)
    with transaction.atomic():
        job = protection.remove_pairing(pairing, ORIGIN, world.now)
    world.turn()
    job.refresh_from_db()
    assert not OperationLock.objects.exists()
    return job


def untouched(world: World) -> bool:
    """No host receives, authorises anybody, or has a certificate of ours."""
    return not any(
        server.replication_enabled or server.authorizations
        for server in world.hyperv.servers.values()
    ) and not any(world.hyperv.certificates.values())


def test_every_host_of_both_clouds_is_as_before_and_the_clouds_can_be_paired_again(
    paired: World,
) -> None:
    assert run(paired).state == JobState.SUCCEEDED
    assert untouched(paired)
    assert not Pairing.objects.exists()
    assert not PairedHost.objects.exists()
    paired.pair()
    paired.turn()
    assert Pairing.objects.get().state == PairingState.PAIRED
    assert all(len(found) == 1 for found in paired.hyperv.certificates.values())


def test_afterwards_the_policy_can_be_deleted(paired: World) -> None:
    run(paired)
    with transaction.atomic():
        protection.delete_policy(Policy.objects.get())
    assert not Policy.objects.exists()


def test_it_is_refused_while_machines_are_protected_and_names_them(paired: World) -> None:
    paired.enable("GoldVM1")
    paired.enable("GoldVM2")
    for remove in (protection.remove_pairing, protection.remove_pairing_from_vault):
        error = refusal(lambda remove=remove: remove(Pairing.objects.get(), ORIGIN, paired.now))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert (error.failure.code, error.status) == ("PairingHasProtectedItems", 409)
        assert "GoldVM1, GoldVM2" in error.failure.message
    assert Pairing.objects.get().state == PairingState.PAIRED


def test_meanwhile_no_machine_of_the_clouds_can_be_protected(paired: World) -> None:
    begin()
    assert Pairing.objects.get().state == PairingState.UNPAIRING
    assert refusal(paired.enable).failure.code == "CloudPairingIncomplete"


@pytest.mark.parametrize("verb", ["read_host_replication", "remove_host_replication"])
def test_a_failure_says_so_and_the_next_request_takes_it_up(paired: World, verb: str) -> None:
    paired.hyperv.broken[verb] = broken()
    assert run(paired).state == JobState.FAILED
    pairing = Pairing.objects.get()
    assert pairing.state == PairingState.UNPAIRING_FAILED
    assert pairing.errors[0]["code"] == "HostBroke"
    paired.hyperv.broken.clear()
    assert run(paired).state == JobState.SUCCEEDED
    assert untouched(paired)


def test_clouds_unpaired_in_part_can_be_paired_instead(paired: World) -> None:
    paired.hyperv.broken["remove_host_replication"] = broken()
    run(paired)
    paired.hyperv.broken.clear()
    # Some hosts may have lost their certificates: all get new ones.
    paired.hyperv.certificates.clear()
    paired.pair()
    paired.turn()
    assert Pairing.objects.get().state == PairingState.PAIRED
    assert len(paired.hyperv.certificates) == 4


@pytest.mark.parametrize("verb", ["install_host_certificate", "configure_replication_server"])
def test_a_pairing_that_failed_is_removed_with_what_it_had_begun(world: World, verb: str) -> None:
    world.pair()
    world.hyperv.broken[verb] = broken()
    world.turn()
    world.hyperv.broken.clear()
    assert Pairing.objects.get().state == PairingState.PAIRING_FAILED
    assert run(world).state == JobState.SUCCEEDED
    assert untouched(world)
    assert not Pairing.objects.exists()


def test_a_host_that_two_pairings_use_goes_on_for_the_other(paired: World) -> None:
    # The first hosts of both silver clouds move into the gold ones' host groups and are shared.
    for site, number in (("shanghai", 1), ("beijing", 2)):
        shared = Host.objects.get(name=f"goldcloud{number}-hv1.{site}.contoso.com")
        cloud = paired.cloud(f"SilverCloud{number}")
        cloud.details["host_group_paths"].append(shared.host_group_path)
        cloud.save()
    paired.pair("SilverCloud1", "SilverCloud2")
    paired.turn()
    assert run(paired, "SilverCloud1-SilverCloud2").state == JobState.SUCCEEDED
    servers = paired.hyperv.servers
    gold = servers["goldcloud1-hv1.shanghai.contoso.com"]
    assert gold.replication_enabled
    assert "goldcloud2-hv1.beijing.contoso.com" in {
        entry.allowed_primary_server for entry in gold.authorizations
    }
    assert not servers["silvercloud1-hv1.shanghai.contoso.com"].replication_enabled


def test_a_host_that_vmm_no_longer_has_is_left_alone(paired: World) -> None:
    gone = "goldcloud2-hv2.beijing.contoso.com"
    Host.objects.filter(name=gone).update(gone_at=paired.now)
    assert run(paired).state == JobState.SUCCEEDED
    assert paired.hyperv.servers[gone].replication_enabled


def test_the_same_request_again_finds_its_job(paired: World) -> None:
    origin = replace(ORIGIN, client_request_id="one")
    job = begin(origin=origin)
    assert begin(origin=origin) == job
    assert refusal(begin).failure.code == "532"


def test_removing_from_the_vault_only_forgets_at_once_and_says_what_is_left(
    paired: World,
) -> None:
    before = list(paired.hyperv.effects)
    with transaction.atomic():
        job = protection.remove_pairing_from_vault(Pairing.objects.get(), ORIGIN, paired.now)
    assert not Pairing.objects.exists()
    paired.turn()
    assert paired.hyperv.effects == before
    assert len(job_view(job).affected_objects) == 4
