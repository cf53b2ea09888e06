"""Hosts follow their clouds by themselves."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import transaction

from coordinator.fabrics.models import FabricObject, Host, Provider
from coordinator.jobs.models import Job
from coordinator.protection.inventory_followers import follow_inventory
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.following import follow_all_hosts
from coordinator.protection.pairing.host_queries import HostState, hosts_of_pairing
from coordinator.protection.pairing.keys import trust_group_of
from tests.integration.protection.fake_hyperv import broken, thumbprint_of
from tests.integration.protection.world import World, add_host, add_shared_volume

pytestmark = [pytest.mark.django_db, pytest.mark.spec("PA-3")]

SHANGHAI = ["goldcloud1-hv1.shanghai.contoso.com", "goldcloud1-hv2.shanghai.contoso.com"]
BEIJING = ["goldcloud2-hv1.beijing.contoso.com", "goldcloud2-hv2.beijing.contoso.com"]
NEW = "goldcloud1-hv3.shanghai.contoso.com"


@pytest.fixture
def paired(world: World) -> World:
    world.pair()
    world.turn()
    return world


def add(world: World) -> None:
    add_host(world, world.fabric("vmm-shanghai"), "GoldCloud1", NEW, 3)


def look(world: World) -> None:
    """As after a stored revision of the inventory."""
    with transaction.atomic():
        follow_inventory(world.now, str(world.fabric("vmm-shanghai").id))
    world.turn()


def look_again(world: World) -> None:
    """As from time to time."""
    with transaction.atomic():
        follow_all_hosts(world.now)
    world.turn()


def cluster(world: World) -> None:
    """Shanghai's gold hosts are nodes of one, with a broker."""
    fabric = world.fabric("vmm-shanghai")
    FabricObject.objects.create(
        vault=world.vault,
        fabric=fabric,
        kind="host_cluster",
        external_id="cluster",
        name="c1.shanghai.contoso.com",
        details={
            "fqdn": "c1.shanghai.contoso.com",
            "replica_broker_fqdn": "broker1.shanghai.contoso.com",
        },
    )
    Host.objects.filter(name__in=SHANGHAI).update(cluster_fqdn="c1.shanghai.contoso.com")
    add_shared_volume(world, fabric, *SHANGHAI, NEW)


def jobs() -> int:
    return Job.objects.filter(scenario="UpdateCloudPairing").count()


def authorized(world: World, host: str) -> dict[str, str]:
    return {
        entry.allowed_primary_server: entry.trust_group
        for entry in world.hyperv.servers[host].authorizations
    }


def pairing() -> Pairing:
    return Pairing.objects.get()


def test_a_host_that_was_added_is_configured_and_the_other_cloud_lets_it_replicate(
    paired: World,
) -> None:
    before = list(paired.hyperv.effects)
    add(paired)
    look(paired)
    assert jobs() == 1
    row = PairedHost.objects.get(host__name=NEW)
    [certificate] = paired.hyperv.certificates[NEW]
    assert row.certificate_thumbprint == thumbprint_of(certificate)
    group = trust_group_of(pairing())
    assert authorized(paired, NEW) == dict.fromkeys(BEIJING, group)
    for host in BEIJING:
        assert authorized(paired, host) == dict.fromkeys([*SHANGHAI, NEW], group)
    done = paired.hyperv.effects[len(before) :]
    assert f"certificate.installed {NEW}" in done
    assert not [effect for effect in done if effect.endswith(SHANGHAI[0])]


def test_nothing_begins_while_nothing_differs(paired: World) -> None:
    look(paired)
    look_again(paired)
    assert jobs() == 0


def test_a_host_that_was_moved_out_of_the_cloud_loses_what_pairing_gave_it(paired: World) -> None:
    Host.objects.filter(name=SHANGHAI[1]).update(host_group_path="All Hosts\\Spare")
    look(paired)
    assert not PairedHost.objects.filter(host__name=SHANGHAI[1]).exists()
    assert not paired.hyperv.servers[SHANGHAI[1]].replication_enabled
    assert paired.hyperv.certificates[SHANGHAI[1]] == []
    assert not paired.hyperv.open_ports[SHANGHAI[1]]
    for host in BEIJING:
        assert set(authorized(paired, host)) == {SHANGHAI[0]}
    look(paired)
    assert jobs() == 1


def test_a_host_that_holds_a_protected_machine_stays_configured(world: World) -> None:
    world.protect()
    Host.objects.filter(name=SHANGHAI[0]).update(host_group_path="All Hosts\\Spare")
    look(world)
    assert jobs() == 0
    assert PairedHost.objects.filter(host__name=SHANGHAI[0]).exists()


def test_a_host_that_vmm_lost_for_a_moment_is_not_taken_for_removed(paired: World) -> None:
    Host.objects.filter(name=SHANGHAI[1]).update(gone_at=paired.now)
    look(paired)
    assert jobs() == 0
    paired.pass_(601)
    Provider.objects.update(last_heartbeat_at=paired.now)
    look_again(paired)
    assert jobs() == 1
    assert not PairedHost.objects.filter(host__name=SHANGHAI[1]).exists()


def test_a_host_that_left_and_is_out_of_reach_stops_nothing(paired: World) -> None:
    Host.objects.filter(name=SHANGHAI[1]).update(host_group_path="All Hosts\\Spare")
    paired.hyperv.unreachable.add(SHANGHAI[1])
    look(paired)
    job = Job.objects.get(scenario="UpdateCloudPairing")
    assert (job.state, job.state_description) == ("Succeeded", "CompletedWithInformation")
    assert not PairedHost.objects.filter(host__name=SHANGHAI[1]).exists()
    assert set(authorized(paired, BEIJING[0])) == {SHANGHAI[0]}


def test_failures_make_the_pauses_grow_and_begin_no_storm_of_jobs(paired: World) -> None:
    add(paired)
    paired.hyperv.broken["install_host_certificate"] = broken()
    for _ in range(20):
        look(paired)
        look_again(paired)
    assert jobs() == 1
    assert pairing().host_errors[0]["code"] == "HostBroke"
    assert pairing().state == "Paired"
    begun = []
    for minute in range(1, 60):
        paired.pass_(60)
        Provider.objects.update(last_heartbeat_at=paired.now)
        before = jobs()
        look_again(paired)
        if jobs() > before:
            begun.append(minute)
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert gaps == sorted(gaps)
    assert 4 <= len(begun) <= 6
    paired.hyperv.broken.clear()
    paired.pass_(3600)
    Provider.objects.update(last_heartbeat_at=paired.now)
    look_again(paired)
    assert PairedHost.objects.filter(host__name=NEW).exists()
    assert pairing().host_errors == []


@pytest.mark.spec("PO-2")
def test_a_host_of_another_generation_is_left_alone_and_the_others_are_configured(
    paired: World,
) -> None:
    add(paired)
    other = "goldcloud1-hv4.shanghai.contoso.com"
    add_host(paired, paired.fabric("vmm-shanghai"), "GoldCloud1", other, 4)
    old = Host.objects.get(name=other)
    old.details["operating_system_version"] = "6.2.9200"
    old.save()
    look(paired)
    assert PairedHost.objects.filter(host__name=NEW).exists()
    assert not PairedHost.objects.filter(host__name=other).exists()
    assert pairing().host_errors == []
    [shown] = [each for each in hosts_of_pairing(pairing(), paired.now) if each.name == other]
    assert shown.state is HostState.OTHER_GENERATION
    look(paired)
    assert jobs() == 1


def test_an_offline_provider_is_waited_for_without_a_job(paired: World) -> None:
    add(paired)
    Provider.objects.filter(name="vmm-beijing").update(
        last_heartbeat_at=paired.now - timedelta(hours=1)
    )
    look(paired)
    assert jobs() == 0
    Provider.objects.update(last_heartbeat_at=paired.now)
    look_again(paired)
    assert PairedHost.objects.filter(host__name=NEW).exists()


def test_a_node_that_joins_a_cluster_gives_the_whole_cluster_a_certificate_with_its_name(
    world: World,
) -> None:
    cluster(world)
    world.pair()
    world.turn()
    broker = "broker1.shanghai.contoso.com"
    [first] = {thumbprint_of(world.hyperv.certificates[host][0]) for host in SHANGHAI}
    assert authorized(world, BEIJING[0]).keys() == {broker}
    add(world)
    Host.objects.filter(name=NEW).update(cluster_fqdn="c1.shanghai.contoso.com")
    look(world)
    certificates = [world.hyperv.certificates[host] for host in (*SHANGHAI, NEW)]
    [second] = {thumbprint_of(given[-1]) for given in certificates}
    assert first != second
    assert world.hyperv.servers[broker].certificate_thumbprint == second
    # The former one is removed from the nodes that had it.
    assert [len(given) for given in certificates] == [1, 1, 1]
    assert {
        row.certificate_thumbprint for row in PairedHost.objects.filter(location="Primary")
    } == {second}


@pytest.mark.spec("SS-1")
def test_a_host_that_comes_to_be_in_both_clouds_stays_what_it_is_and_is_told_of(
    world: World,
) -> None:
    cluster(world)
    world.pair("GoldCloud1", "SilverCloud1")
    world.turn()
    cloud = world.cloud("SilverCloud1")
    cloud.details["host_group_paths"] += ["All Hosts\\GoldCloud1"]
    cloud.save()
    look(world)
    for _ in range(3):
        world.pass_(60)
        Provider.objects.update(last_heartbeat_at=world.now)
        look_again(world)
    assert jobs() == 0
    sides = dict(PairedHost.objects.values_list("host__name", "location"))
    assert {sides[host] for host in SHANGHAI} == {"Primary"}
    [error] = pairing().host_errors
    assert error["code"] == "CloudsShareHost"
    assert SHANGHAI[0] in error["message"]
