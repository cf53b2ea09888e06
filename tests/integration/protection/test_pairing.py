from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from coordinator.fabrics.models import Cloud, FabricObject, Host, Provider
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.states import PairingState
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.world import ORIGIN, World, add_host, add_shared_volume

pytestmark = pytest.mark.django_db

HV1 = "goldcloud1-hv1.shanghai.contoso.com"


def refusal(call: Callable[[], object]) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        call()
    failure = refused.value.failure
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    return refused.value


def change_host(name: str, **changes: object) -> None:
    host = Host.objects.get(name=name)
    host.details.update(changes)
    host.save()


@pytest.mark.parametrize(
    ("primary", "recovery"),
    [
        ("GoldCloud1", "SilverCloud2"),
        ("SilverCloud1", "GoldCloud2"),
        ("GoldCloud2", "SilverCloud1"),
        ("SilverCloud2", "GoldCloud1"),
        ("GoldCloud2", "GoldCloud1"),
    ],
)
@pytest.mark.spec("PA-2")
def test_a_cloud_is_in_one_pair_only_in_either_role(
    world: World, primary: str, recovery: str
) -> None:
    world.pair("GoldCloud1", "GoldCloud2")
    error = refusal(lambda: world.pair(primary, recovery))
    assert (error.failure.code, error.status) == ("CloudAlreadyPaired", 409)
    assert Pairing.objects.count() == 1


def test_a_cloud_cannot_be_paired_with_itself(world: World) -> None:
    error = refusal(lambda: world.pair("GoldCloud1", "GoldCloud1"))
    assert error.failure.code == "CloudsAreTheSame"


def test_a_cloud_that_is_gone_is_not_found(world: World) -> None:
    Cloud.objects.filter(name="GoldCloud2").update(gone_at=world.now)
    error = refusal(world.pair)
    assert (error.failure.code, error.status) == ("CloudNotFound", 404)


@pytest.mark.spec("PR-1")
def test_a_cloud_without_hosts_cannot_be_paired(world: World) -> None:
    Host.objects.filter(name__startswith="goldcloud2").update(gone_at=world.now)
    assert refusal(world.pair).failure.code == "CloudHasNoHosts"


def test_clouds_that_share_a_host_cannot_be_paired(world: World) -> None:
    cloud = world.cloud("SilverCloud1")
    cloud.details["host_group_paths"].append("All Hosts\\GoldCloud1")
    cloud.save()
    error = refusal(lambda: world.pair("GoldCloud1", "SilverCloud1"))
    assert error.failure.code == "CloudsShareHost"
    assert HV1 in error.failure.message


@pytest.mark.spec("PO-2")
def test_hosts_of_another_generation_are_refused_by_name_when_none_fits(world: World) -> None:
    names = [f"goldcloud1-hv{number}.shanghai.contoso.com" for number in (1, 2)]
    for name in names:
        change_host(name, operating_system_version="6.2.9200")
    error = refusal(world.pair)
    assert error.failure.code == "PairingPrerequisitesNotMet"
    assert error.failure.message.count("which HyperVReplica2012R2 does not name") == len(names)
    for name in names:
        assert name in error.failure.message
    change_host(names[1], operating_system_version="10.0.17763.0")
    world.pair()
    world.turn()
    assert not PairedHost.objects.filter(host__name=HV1).exists()


@pytest.mark.spec("PR-2")
def test_a_cluster_needs_its_replica_broker_and_is_reached_by_it(world: World) -> None:
    Host.objects.filter(name__startswith="goldcloud2").update(cluster_fqdn="cluster.contoso.com")
    assert refusal(world.pair).failure.code == "ReplicaBrokerMissing"
    FabricObject.objects.create(
        vault=world.vault,
        fabric=world.fabric("vmm-beijing"),
        kind="host_cluster",
        external_id="c1",
        name="cluster.contoso.com",
        details={
            "id": "c1",
            "fqdn": "cluster.contoso.com",
            "replica_broker_fqdn": "Broker.contoso.com",
        },
    )
    pairing, _ = world.pair()
    world.turn()
    pairing.refresh_from_db()
    assert pairing.errors[0]["code"] == "StorageLocationMissing"
    nodes = [f"goldcloud2-hv{number}.beijing.contoso.com" for number in (1, 2)]
    add_shared_volume(world, world.fabric("vmm-beijing"), *nodes)
    world.pair()
    world.turn()
    broker = world.hyperv.servers["broker.contoso.com"]
    assert broker.default_storage_location == "C:\\ClusterStorage\\Volume1"
    entries = world.hyperv.servers[HV1].authorizations
    assert [entry.allowed_primary_server for entry in entries] == ["broker.contoso.com"]


@pytest.mark.parametrize("seconds", [26, None])
def test_a_provider_that_is_lost_is_named(world: World, seconds: int | None) -> None:
    if seconds is None:
        Provider.objects.filter(name="vmm-beijing").update(last_heartbeat_at=None)
    else:
        world.pass_(seconds)
        Provider.objects.filter(name="vmm-shanghai").update(last_heartbeat_at=world.now)
    error = refusal(world.pair)
    assert error.failure.code == "ProviderNotConnected"
    assert "vmm-beijing" in error.failure.message


def test_a_provider_that_was_unregistered_is_told_apart(world: World) -> None:
    Provider.objects.filter(name="vmm-beijing").update(unregistered_at=world.now)
    assert refusal(world.pair).failure.code == "ProviderNotRegistered"


def test_a_pairing_that_is_being_made_is_busy_and_the_same_request_finds_its_job(
    world: World,
) -> None:
    origin = replace(ORIGIN, client_request_id="one")
    _, job = world.pair(origin=origin)
    assert world.pair(origin=origin)[1] == job
    error = refusal(lambda: world.pair(origin=replace(ORIGIN, client_request_id="two")))
    assert (error.failure.code, error.status) == ("532", 409)
    assert str(job.id) in error.failure.message
    assert Job.objects.count() == 1


@pytest.mark.spec("PA-3")
def test_a_failed_pairing_shows_its_errors_and_can_be_asked_for_again(world: World) -> None:
    world.hyperv.broken["configure_replication_server"] = broken()
    pairing, job = world.pair()
    world.turn()
    pairing.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, pairing.state) == (JobState.FAILED, PairingState.PAIRING_FAILED)
    assert {error["code"] for error in pairing.errors} == {"HostBroke"}
    assert not PairedHost.objects.exists()
    world.hyperv.broken.clear()
    again, _ = world.pair()
    world.turn()
    again.refresh_from_db()
    assert again.id == pairing.id
    assert (again.state, again.errors) == (PairingState.PAIRED, [])


def test_a_host_without_a_place_for_disks_fails_the_check_before_anything_is_changed(
    world: World,
) -> None:
    world.hyperv._server(HV1).virtual_hard_disk_path = ""
    _, job = world.pair()
    world.turn()
    job.refresh_from_db()
    assert [error["code"] for error in job.errors] == ["StorageLocationMissing"]
    assert world.hyperv.effects == []


def test_pairing_again_configures_a_new_host_and_renews_the_certificates_of_the_others(
    world: World,
) -> None:
    pairing, _ = world.pair()
    world.turn()
    new = "goldcloud1-hv3.shanghai.contoso.com"
    add_host(world, world.fabric("vmm-shanghai"), "GoldCloud1", new, 3)
    world.pair()
    world.turn()
    assert PairedHost.objects.filter(pairing=pairing, host__name=new).exists()
    installed = world.hyperv.effects.count
    for host in ("goldcloud1-hv1.shanghai.contoso.com", "goldcloud2-hv2.beijing.contoso.com"):
        assert installed(f"certificate.installed {host}") == 2
        # The one it took the place of is gone.
        assert len(world.hyperv.certificates[host]) == 1
    assert installed(f"certificate.installed {new}") == 1


@pytest.mark.spec("PA-3")
def test_a_repeated_pairing_that_fails_leaves_the_clouds_paired(world: World) -> None:
    pairing, _ = world.pair()
    world.turn()
    world.hyperv.broken["read_host_replication"] = broken()
    world.pair()
    world.turn()
    pairing.refresh_from_db()
    assert pairing.state == PairingState.PAIRED
    assert pairing.errors


def test_a_paired_cloud_keeps_its_policy(world: World) -> None:
    world.pair()
    world.turn()
    world.policy("Other", replicationFrequencyInSeconds=300)
    error = refusal(lambda: world.pair(policy="Other"))
    assert error.failure.code == "PairingHasPolicy"


def test_a_host_of_two_clouds_listens_on_one_port(world: World) -> None:
    world.pair()
    world.turn()
    for number, site in ((1, "SilverCloud1"), (2, "SilverCloud2")):
        cloud = world.cloud(site)
        cloud.details["host_group_paths"] = [f"All Hosts\\GoldCloud{number}"]
        cloud.save()
    world.policy("Other", replicationPort=9000)
    error = refusal(lambda: world.pair("SilverCloud1", "SilverCloud2", policy="Other"))
    assert error.failure.code == "HostUsesOtherPort"
    world.pair("SilverCloud1", "SilverCloud2")
    world.turn()
    assert Pairing.objects.filter(state=PairingState.PAIRED).count() == 2
    assert {len(made) for made in world.hyperv.certificates.values()} == {1}
