"""Two pairings that share hosts: entries, certificates, ports."""

from __future__ import annotations

import pytest

from coordinator.protection.models import Pairing
from coordinator.protection.pairing.keys import trust_group_of
from tests.integration.protection.world import World, add_host

pytestmark = [pytest.mark.django_db, pytest.mark.spec("PA-3", "PA-4")]

SHANGHAI = ["goldcloud1-hv1.shanghai.contoso.com", "goldcloud1-hv2.shanghai.contoso.com"]
BEIJING = ["goldcloud2-hv1.beijing.contoso.com", "goldcloud2-hv2.beijing.contoso.com"]
OWN = "silvercloud1-hv9.shanghai.contoso.com"


@pytest.fixture
def both(world: World) -> World:
    """Silver's clouds use gold's hosts; at Shanghai they have one of their own besides."""
    for number in (1, 2):
        cloud = world.cloud(f"SilverCloud{number}")
        cloud.details["host_group_paths"] = [f"All Hosts\\GoldCloud{number}"]
        cloud.save()
    silver = world.cloud("SilverCloud1")
    silver.details["host_group_paths"].append("All Hosts\\Nine")
    silver.save()
    add_host(world, world.fabric("vmm-shanghai"), "Nine", OWN, 9)
    world.pair()
    world.turn()
    world.pair("SilverCloud1", "SilverCloud2")
    world.turn()
    return world


def groups(world: World, host: str) -> dict[str, str]:
    return {
        entry.allowed_primary_server: entry.trust_group
        for entry in world.hyperv.servers[host].authorizations
    }


def pairing(cloud: str) -> Pairing:
    return Pairing.objects.get(primary_cloud__name=cloud)


def test_primaries_of_either_cloud_are_in_one_group_so_that_machines_may_move(
    both: World,
) -> None:
    gold = trust_group_of(pairing("GoldCloud1"))
    assert groups(both, BEIJING[0]) == dict.fromkeys([*SHANGHAI, OWN], gold)
    assert groups(both, SHANGHAI[0]) == dict.fromkeys(BEIJING, gold)
    assert groups(both, OWN) == dict.fromkeys(BEIJING, trust_group_of(pairing("SilverCloud1")))


def test_when_the_older_goes_its_entries_pass_to_the_other(both: World) -> None:
    silver = trust_group_of(pairing("SilverCloud1"))
    both.unpair(pairing("GoldCloud1"))
    both.turn()
    assert groups(both, BEIJING[0]) == dict.fromkeys([*SHANGHAI, OWN], silver)
    assert groups(both, SHANGHAI[0]) == dict.fromkeys(BEIJING, silver)
    assert both.hyperv.servers[SHANGHAI[0]].replication_enabled
    assert len(both.hyperv.certificates[SHANGHAI[0]]) == 1
    assert both.hyperv.open_ports[SHANGHAI[0]] == {8084}


def test_when_the_younger_goes_only_what_it_alone_needed_goes(both: World) -> None:
    gold = trust_group_of(pairing("GoldCloud1"))
    both.unpair(pairing("SilverCloud1"))
    both.turn()
    assert groups(both, BEIJING[0]) == dict.fromkeys(SHANGHAI, gold)
    assert groups(both, OWN) == {}
    assert not both.hyperv.servers[OWN].replication_enabled
    assert both.hyperv.certificates[OWN] == []


def test_when_both_are_gone_nothing_is_left(both: World) -> None:
    for cloud in ("GoldCloud1", "SilverCloud1"):
        both.unpair(pairing(cloud))
        both.turn()
    for host in (*SHANGHAI, *BEIJING, OWN):
        assert groups(both, host) == {}
        assert not both.hyperv.servers[host].replication_enabled
        assert both.hyperv.certificates[host] == []
        assert not both.hyperv.open_ports[host]
