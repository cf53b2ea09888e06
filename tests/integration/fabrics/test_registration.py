"""Registering servers, on PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.fabrics.models import Fabric, Provider
from coordinator.fabrics.queries import find_fabric, list_fabrics, list_providers, vault_contents
from coordinator.fabrics.services import (
    SessionOpening,
    authenticate,
    heartbeat,
    open_session,
    register_provider,
    renew_certificate,
    unregister_provider,
)
from coordinator.failures import RefusedError
from coordinator.vaults.models import RegistrationKey, Vault
from coordinator.vaults.services import Authority, VaultContent, delete_vault
from tests.integration.fabrics.servers import (
    VmmServerToRegister,
    make_certificate_request,
    make_key_file,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shanghai() -> VmmServerToRegister:
    return VmmServerToRegister("VMM-Shanghai")


def refused_code(error: pytest.ExceptionInfo[RefusedError]) -> str:
    return error.value.failure.code


@pytest.mark.spec("EN-7")
def test_a_registered_server_appears_in_its_vault(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    registered = register_provider(
        shanghai.request(make_key_file(vault, authority, now)), authority, now
    )
    assert list_fabrics(vault.id) == [registered.fabric]
    assert len(registered.fabric.name) == 64
    assert registered.fabric.vmm_product_version == "4.2.8928.0"
    assert list_providers(vault.id) == [registered.provider]
    assert find_fabric(vault.id, "vmm-shanghai") == registered.fabric
    assert find_fabric(vault.id, registered.fabric.name.upper()) == registered.fabric
    identity = authenticate(registered.certificate, now)
    assert (identity.provider_id, identity.vault_id) == (registered.provider.id, vault.id)


@pytest.mark.spec("VA-5")
def test_a_registered_server_keeps_its_vault(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    registered = register_provider(
        shanghai.request(make_key_file(vault, authority, now)), authority, now
    )
    assert vault_contents(vault.id) == [VaultContent("registered server", "VMM-Shanghai")]
    with pytest.raises(RefusedError) as refused:
        delete_vault(vault.id, [vault_contents])
    assert refused_code(refused) == "VaultNotEmpty"
    unregister_provider(registered.provider.id, now)
    delete_vault(vault.id, [vault_contents])
    assert not Fabric.objects.exists()


def test_repeating_with_the_same_key_pair_gives_the_same_provider_and_uses_nothing_up(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    request = shanghai.request(make_key_file(vault, authority, now, max_uses=1))
    first = register_provider(request, authority, now)
    second = register_provider(request, authority, now)
    assert first.provider.id == second.provider.id
    assert RegistrationKey.objects.get().uses == 1
    # Whichever answer reached the agent, it can work with it.
    assert authenticate(first.certificate, now) != authenticate(second.certificate, now)


def test_registering_anew_replaces_the_certificate_and_ends_the_session(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    key_file = make_key_file(vault, authority, now)
    first = register_provider(shanghai.request(key_file), authority, now)
    identity = authenticate(first.certificate, now)
    opening = SessionOpening(identity.certificate_serial, "gateway", "0.1.0")
    fence = open_session(identity.provider_id, opening, now).fence
    shanghai.private_key = ec.generate_private_key(ec.SECP256R1())
    second = register_provider(shanghai.request(key_file), authority, now)
    assert second.provider.id == first.provider.id
    assert second.fabric == first.fabric
    assert RegistrationKey.objects.get().uses == 2
    with pytest.raises(RefusedError) as refused:
        authenticate(first.certificate, now)
    assert refused_code(refused) == "ProviderCertificateRevoked"
    assert not heartbeat(identity.provider_id, fence, now)


def test_a_name_belongs_to_one_server_of_a_vault(
    vault: Vault, other_vault: Vault, authority: Authority, now: datetime
) -> None:
    key_file = make_key_file(vault, authority, now)
    register_provider(VmmServerToRegister("VMM-Shanghai").request(key_file), authority, now)
    other = VmmServerToRegister("VMM-SHANGHAI")
    with pytest.raises(RefusedError) as refused:
        register_provider(other.request(key_file), authority, now)
    assert refused_code(refused) == "FriendlyNameTaken"
    request = other.request(make_key_file(other_vault, authority, now))
    assert register_provider(request, authority, now).vault == other_vault


def test_a_copy_of_a_server_cannot_register_with_its_key_pair(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    key_file = make_key_file(vault, authority, now)
    register_provider(shanghai.request(key_file), authority, now)
    copy = VmmServerToRegister("VMM-Copy")
    copy.private_key = shanghai.private_key
    with pytest.raises(RefusedError) as refused:
        register_provider(copy.request(key_file), authority, now)
    assert refused_code(refused) == "PublicKeyInUse"


@pytest.mark.parametrize("name", ["", " VMM", "x" * 256, "VMM\n", "VMM\0"])
def test_a_name_that_cannot_be_shown_is_refused(
    name: str, vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    request = shanghai.request(make_key_file(vault, authority, now))
    request.friendly_name = name
    with pytest.raises(RefusedError) as refused:
        register_provider(request, authority, now)
    assert (refused_code(refused), refused.value.field) == ("InvalidRegistration", "friendly_name")


@pytest.mark.spec("EN-8")
def test_an_unregistered_providers_certificate_stops_working_at_once(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    request = shanghai.request(make_key_file(vault, authority, now, max_uses=2))
    registered = register_provider(request, authority, now)
    identity = authenticate(registered.certificate, now)
    opening = SessionOpening(identity.certificate_serial, "gateway", "0.1.0")
    fence = open_session(identity.provider_id, opening, now).fence
    unregister_provider(identity.provider_id, now)
    unregister_provider(identity.provider_id, now + timedelta(hours=1))
    assert Provider.objects.get().unregistered_at == now
    assert not heartbeat(identity.provider_id, fence, now)
    for attempt in (
        lambda: authenticate(registered.certificate, now),
        lambda: open_session(identity.provider_id, opening, now),
        lambda: renew_certificate(identity, request.certificate_request, authority, now),
    ):
        with pytest.raises(RefusedError) as refused:
            attempt()
        assert refused_code(refused) == "ProviderUnregistered"
    assert list_fabrics(vault.id) == []
    # It can register again, and that is a use of the key.
    again = register_provider(request, authority, now)
    assert again.provider.id == identity.provider_id
    assert RegistrationKey.objects.get().uses == 2


def test_a_certificate_of_a_provider_that_never_was_is_refused(
    vault: Vault, other_vault: Vault, authority: Authority, now: datetime
) -> None:
    server = VmmServerToRegister("VMM-Shanghai")
    request = server.request(make_key_file(vault, authority, now))
    registered = register_provider(request, authority, now)
    moved = authority.issue_provider_certificate(
        request.certificate_request, other_vault.id, registered.provider.id, now
    )
    with pytest.raises(RefusedError) as refused:
        authenticate(moved, now)
    assert refused_code(refused) == "ProviderUnknown"
    with pytest.raises(RefusedError) as refused:
        authenticate(authority.certificate, now)
    assert refused_code(refused) == "ProviderCertificateInvalid"
    with pytest.raises(RefusedError) as refused:
        authenticate(registered.certificate, now + timedelta(days=30, seconds=1))
    assert refused_code(refused) == "ProviderCertificateExpired"


@pytest.mark.spec("EN-9")
def test_the_old_certificate_is_good_until_the_renewed_one_is_used(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    request = shanghai.request(make_key_file(vault, authority, now))
    old = register_provider(request, authority, now).certificate
    key = ec.generate_private_key(ec.SECP256R1())
    renewals = [
        renew_certificate(authenticate(old, now), make_certificate_request(key), authority, now)
        for _ in range(2)
    ]
    # The first answer was lost; the old certificate asked again.
    with pytest.raises(RefusedError) as refused:
        authenticate(renewals[0], now)
    assert refused_code(refused) == "ProviderCertificateRevoked"
    identity = authenticate(renewals[1], now)
    assert authenticate(old, now).provider_id == identity.provider_id
    opening = SessionOpening(identity.certificate_serial, "gateway", "0.1.0")
    open_session(identity.provider_id, opening, now)
    with pytest.raises(RefusedError) as refused:
        authenticate(old, now)
    assert refused_code(refused) == "ProviderCertificateRevoked"


def test_a_renewal_cannot_take_another_servers_key(
    vault: Vault, authority: Authority, now: datetime, shanghai: VmmServerToRegister
) -> None:
    key_file = make_key_file(vault, authority, now)
    beijing = VmmServerToRegister("VMM-Beijing")
    register_provider(beijing.request(key_file), authority, now)
    registered = register_provider(shanghai.request(key_file), authority, now)
    with pytest.raises(RefusedError) as refused:
        renew_certificate(
            authenticate(registered.certificate, now),
            make_certificate_request(beijing.private_key),
            authority,
            now,
        )
    assert refused_code(refused) == "PublicKeyInUse"
