"""A vault, an authority, and keys to register with."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority, ensure_authority

NOW = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("ca"), NOW)


def make_vault(name: str) -> Vault:
    return Vault.objects.create(
        subscription_id=uuid4(), resource_group="rg", name=name, location="x", created_at=NOW
    )


@pytest.fixture
def vault(db: None) -> Vault:
    return make_vault("Gold-Vault")


@pytest.fixture
def other_vault(db: None) -> Vault:
    return make_vault("Silver-Vault")
