"""A vault with a provider, and a clock that stands still."""

from __future__ import annotations

from uuid import uuid4

import pytest

from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, register
from tests.integration.jobs.jobs_for_tests import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(db: None, clock: Clock) -> Vault:
    return Vault.objects.create(
        subscription_id=uuid4(),
        resource_group="rg",
        name=f"vault-{uuid4()}"[:50],
        location="here",
        created_at=clock(),
    )


@pytest.fixture
def provider(vault: Vault, clock: Clock) -> FakeProvider:
    return register(vault, "vmm-shanghai", clock())
