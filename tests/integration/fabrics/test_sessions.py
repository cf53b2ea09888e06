"""Sessions are fenced: the newest is the only one."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from coordinator.fabrics.models import Provider
from coordinator.fabrics.queries import current_fences, is_connected
from coordinator.fabrics.services import (
    SessionOpening,
    close_session,
    heartbeat,
    heartbeat_many,
    open_session,
    register_provider,
)
from coordinator.failures import RefusedError
from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority
from tests.integration.fabrics.servers import VmmServerToRegister, make_key_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(vault: Vault, authority: Authority, now: datetime) -> Provider:
    request = VmmServerToRegister("VMM-Shanghai").request(make_key_file(vault, authority, now))
    return register_provider(request, authority, now).provider


def begin(provider: Provider, now: datetime) -> int:
    serial = Provider.objects.get(pk=provider.pk).certificate_serial
    opening = SessionOpening(serial, "gateway-1", "0.2.0", ("b", "a", "b"), "4.2.9000.0")
    return open_session(provider.id, opening, now).fence


def test_a_session_brings_what_the_agent_says_up_to_date(provider: Provider, now: datetime) -> None:
    begin(provider, now)
    provider.refresh_from_db()
    assert provider.capabilities == ["a", "b"]
    assert provider.agent_version == "0.2.0"
    assert provider.gateway_id == "gateway-1"
    assert provider.fabric.vmm_product_version == "4.2.9000.0"


@pytest.mark.spec("EN-10")
def test_an_agent_not_heard_of_for_its_lease_is_lost(provider: Provider, now: datetime) -> None:
    assert not is_connected(provider, now, 25)
    fence = begin(provider, now)
    assert heartbeat(provider.id, fence, now + timedelta(seconds=5))
    provider.refresh_from_db()
    assert is_connected(provider, now + timedelta(seconds=30), 25)
    assert not is_connected(provider, now + timedelta(seconds=30, milliseconds=1), 25)


def test_a_newer_session_supersedes_the_older(provider: Provider, now: datetime) -> None:
    older = begin(provider, now)
    newer = begin(provider, now + timedelta(seconds=1))
    assert newer > older
    assert not heartbeat(provider.id, older, now)
    assert heartbeat(provider.id, newer, now)
    close_session(provider.id, older, now)
    provider.refresh_from_db()
    assert provider.disconnected_at is None
    close_session(provider.id, newer, now)
    provider.refresh_from_db()
    assert provider.disconnected_at == now
    assert not is_connected(provider, now, 25)
    assert begin(provider, now) > newer
    provider.refresh_from_db()
    assert is_connected(provider, now, 25)


def test_many_heartbeats_are_one_statement(
    provider: Provider, now: datetime, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    fence = begin(provider, now)
    later = now + timedelta(seconds=5)
    with django_assert_num_queries(1):  # type: ignore[operator]  # pytest-django types it so
        alive = heartbeat_many({provider.id: fence, uuid4(): 1}, later)
    assert alive == {provider.id}
    assert heartbeat_many({}, later) == set()
    provider.refresh_from_db()
    assert provider.last_heartbeat_at == later
    assert current_fences([provider.id, uuid4()]) == {provider.id: fence}


def test_a_session_with_a_replaced_certificate_does_not_begin(
    provider: Provider, now: datetime
) -> None:
    with pytest.raises(RefusedError) as refused:
        open_session(provider.id, SessionOpening("abc", "gateway", "0.1.0"), now)
    assert refused.value.failure.code == "ProviderCertificateRevoked"
