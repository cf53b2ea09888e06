"""Two discovered sites with nothing paired."""

from __future__ import annotations

import pytest

from coordinator.jobs.registry import Registry
from tests.integration.protection.network_stage import Stage
from tests.integration.protection.world import World, make_registry, make_world


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """With a replication authority; making its RSA key takes a while."""
    return make_registry(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def world(db: None, registry: Registry) -> World:
    return make_world(registry)


@pytest.fixture
def stage(world: World) -> Stage:
    """Networks and pools on both sides, nothing paired."""
    return Stage(world)
