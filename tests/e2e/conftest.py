"""One lab for all tests of this folder: GoldCloud1 paired with GoldCloud2, nothing protected."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.story.story import Cast, Narrator, Story

# Replication every 1.5 seconds.
SPEED = 20.0
LIMIT_SECONDS = 240.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's time is its own: bringing up the lab, which has deadlines, counts for nobody."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            given = item.get_closest_marker("timeout")
            seconds = given.args[0] if given is not None else LIMIT_SECONDS
            item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A lab that is up; its folder is kept when a test failed to stop it."""
    folder = Path(tempfile.mkdtemp(prefix="osr-e2e-"))
    stage = Stage(StageOptions(state=folder, speed=SPEED))
    try:
        stage.up(lambda _: None)
        yield stage
    finally:
        stage.down()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def paired(stage: Stage) -> Story:
    """The story up to the pairing."""
    story = Story(stage, Narrator())
    story.pair_clouds()
    return story


@pytest.fixture
def sites(stage: Stage) -> Iterator[Sites]:
    """Both sites, without faults again afterwards."""
    sites = Sites(stage)
    yield sites
    for site in stage.topology.sites:
        sites.admin(site.name).clear_faults()


def story_of(machine: str, paired: Story) -> Story:
    """The story of another machine under the same pairing and policy."""
    return paired.of(Cast(machine=machine))
