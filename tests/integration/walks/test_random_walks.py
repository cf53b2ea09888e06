"""Random orders of operations by the real verbs, on hosts that refuse what Windows refuses.

More and longer walks: `OSR_WALK_SEEDS=0-19 OSR_WALK_STEPS=30 pytest tests/integration/walks`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.jobs.registry import Registry
from tests.integration.protection.world import make_registry
from tests.integration.walks.lab_world import LabWorld, make_lab_world
from tests.integration.walks.sites import LabSites
from tests.integration.walks.walk import Walk

FIRST, _, LAST = os.environ.get("OSR_WALK_SEEDS", "7").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
STEPS = int(os.environ.get("OSR_WALK_STEPS", "12"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """With a replication authority; making its RSA key takes a while."""
    return make_registry(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def lab_world(
    db: None, registry: Registry, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[LabWorld]:
    """A machine that is protected from one site to the other."""
    sites = LabSites(tmp_path, request.node.callspec.params["seed"])
    sites.open()
    try:
        world = make_lab_world(registry, sites)
        world.protect_machine()
        yield world
    finally:
        sites.close()


@pytest.mark.django_db
@pytest.mark.timeout(300 + 60 * STEPS)
@pytest.mark.spec("FO-1", "FO-2", "FO-3", "FO-4", "FO-5", "FO-6", "FO-7", "RE-7")
@pytest.mark.parametrize("seed", SEEDS)
def test_table_item_and_hosts_agree_whatever_is_done_in_whatever_order(
    lab_world: LabWorld, seed: int
) -> None:
    walk = Walk(lab_world, random.Random(seed))
    for _ in range(STEPS):
        walk.step()
        walk.check()
    walk.go_home()
    assert walk.done
