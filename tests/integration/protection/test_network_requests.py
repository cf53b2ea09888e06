"""Asking for network mappings: what is offered, what is refused, on PostgreSQL."""

from __future__ import annotations

import pytest

from coordinator.protection.models import NetworkMapping
from coordinator.protection.networks import queries
from coordinator.protection.requests import RequestOrigin
from tests.integration.protection.network_stage import (
    Stage,
    refused,
)

pytestmark = pytest.mark.django_db


@pytest.mark.spec("NW-2")
def test_a_network_no_pair_of_clouds_could_use_is_refused(stage: Stage) -> None:
    with refused("NetworkNotAvailable"):
        stage.map()
    stage.world.pair("SilverCloud1", "SilverCloud2")
    stage.world.turn()
    with refused("NetworkNotAvailable"):
        stage.map("bj2")
    assert stage.map("bj1")[0].target_network == "VMNetwork1-Beijing"


@pytest.mark.spec("NW-2")
def test_the_networks_to_choose_from_say_which_pair_can_use_them(stage: Stage) -> None:
    stage.world.pair()
    stage.world.pair("SilverCloud1", "SilverCloud2", policy="Silver")
    stage.world.turn()
    source = queries.find_network(stage.world.fabric("vmm-shanghai"), "SH1")
    assert source is not None
    found = queries.offered_targets(source, stage.world.fabric("vmm-beijing"))
    told = {
        (each.network.name, one.pair.primary_cloud): one.available
        for each in found
        for one in each.pairs
    }
    assert told == {
        ("VMNetwork1-Beijing", "GoldCloud1"): True,
        ("VMNetwork1-Beijing", "SilverCloud1"): True,
        ("VMNetwork2-Beijing", "GoldCloud1"): True,
        ("VMNetwork2-Beijing", "SilverCloud1"): False,
    }


def test_bad_requests_change_nothing(stage: Stage) -> None:
    stage.world.pair()
    stage.world.turn()
    for code, arguments in (
        ("NetworkNotFound", {"target": "none"}),
        ("NetworkNotFound", {"source": "none"}),
        ("InvalidResourceName", {"name": "a/b"}),
    ):
        with refused(code):
            stage.map(**arguments)  # type: ignore[arg-type]  # texts all of them
    assert not NetworkMapping.objects.exists()
    stage.map()
    with refused("NetworkAlreadyMapped"):
        stage.map("bj2", name="other")
    with refused("532"):
        stage.map("bj2")


def test_a_repeated_request_begins_no_second_job(stage: Stage) -> None:
    stage.world.pair()
    stage.world.turn()
    origin = RequestOrigin(started_by="tests", client_request_id="one")
    _, first = stage.map(origin=origin)
    _, second = stage.map(origin=origin)
    assert first.id == second.id
