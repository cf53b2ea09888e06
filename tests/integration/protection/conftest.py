"""Two discovered sites with nothing paired."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.vaults.services import ensure_replication_authority
from tests.integration.protection.fake_hyperv import START
from tests.integration.protection.world import World, make_world


@pytest.fixture(scope="session")
def authority_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replication authority; making its RSA key takes a while."""
    folder = tmp_path_factory.mktemp("ca")
    ensure_replication_authority(folder, START)
    return folder


@pytest.fixture
def world(db: None, authority_folder: Path) -> World:
    return make_world(authority_folder)
