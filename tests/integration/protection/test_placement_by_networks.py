"""Replicas go where the networks are that their machines' networks are mapped to."""

from __future__ import annotations

import pytest

from tests.integration.protection.network_stage import RECOVERY_HOST, Stage
from tests.integration.protection.test_pairing import change_host
from tests.integration.protection.world import World

POORER_HOST = "goldcloud2-hv1.beijing.contoso.com"


@pytest.fixture
def stage(world: World) -> Stage:
    """The host with more memory does not reach the first network."""
    made = Stage(world)
    change_host(POORER_HOST, logical_networks=["LogicalNetwork1-Beijing"])
    change_host(RECOVERY_HOST, logical_networks=["LogicalNetwork2-Beijing"])
    world.pair()
    world.turn()
    return made


@pytest.mark.spec("NW-6")
def test_a_host_that_reaches_the_mapped_network_is_preferred_and_says_so(stage: Stage) -> None:
    stage.map()
    stage.world.turn()
    stage.world.enable()
    stage.world.turn()
    item = stage.world.item()
    assert item.recovery_host == POORER_HOST
    chosen, other = item.placement
    assert chosen["reasons"][0] == "reaches VMNetwork1-Beijing"
    assert other["reasons"][0] == "does not reach VMNetwork1-Beijing"
    assert chosen["score"] > other["score"]


@pytest.mark.spec("NW-6")
def test_without_a_mapping_memory_decides(stage: Stage) -> None:
    stage.world.enable()
    stage.world.turn()
    assert stage.world.item().recovery_host == RECOVERY_HOST
