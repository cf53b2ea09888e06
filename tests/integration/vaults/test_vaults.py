"""Vaults and their registration keys on PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from coordinator.failures import RefusedError
from coordinator.vaults.models import RegistrationKey, Vault
from coordinator.vaults.queries import find_vault, list_registration_keys, list_vaults
from coordinator.vaults.services import (
    Authority,
    GeneratedKey,
    KeyIssuer,
    VaultContent,
    VaultName,
    admit_key,
    count_use,
    create_vault,
    delete_vault,
    ensure_authority,
    generate_registration_key,
    revoke_registration_key,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 3, 0, 0, 250_000, tzinfo=UTC)
SUBSCRIPTION = UUID("00000000-0000-0000-0000-000000000001")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("ca"), NOW)


@pytest.fixture
def vault() -> Vault:
    return create_vault(VaultName(SUBSCRIPTION, "Recovery", "Gold-Vault"), "westeurope", NOW)


@pytest.fixture
def generated(vault: Vault, authority: Authority) -> GeneratedKey:
    issuer = KeyIssuer(authority, "dr.example.com:9444")
    return generate_registration_key(vault, issuer, "Li Wei", NOW, max_uses=2)


def refused_code(error: pytest.ExceptionInfo[RefusedError]) -> str:
    failure = error.value.failure
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    return failure.code


def file_of(generated: GeneratedKey) -> bytes:
    return generated.file.reveal().encode()


@pytest.mark.spec("VA-1")
def test_a_vault_is_found_whatever_the_case_and_made_once(vault: Vault) -> None:
    again = create_vault(VaultName(SUBSCRIPTION, "RECOVERY", "gold-vault"), "westeurope", NOW)
    assert again == vault
    assert find_vault(SUBSCRIPTION, "recovery", "GOLD-VAULT") == vault
    assert find_vault(uuid4(), "Recovery", "Gold-Vault") is None
    create_vault(VaultName(SUBSCRIPTION, "Other", "Gold-Vault"), "westeurope", NOW)
    assert len(list_vaults(SUBSCRIPTION)) == 2
    assert list_vaults(SUBSCRIPTION, "recovery") == [vault]


def test_a_vault_does_not_move(vault: Vault) -> None:
    with pytest.raises(RefusedError) as refused:
        create_vault(VaultName(SUBSCRIPTION, "Recovery", "Gold-Vault"), "eastasia", NOW)
    assert refused_code(refused) == "VaultLocationConflict"


@pytest.mark.parametrize(
    ("group", "name", "location", "code"),
    [
        ("g", "x", "here", "InvalidVaultName"),
        ("g", "1vault", "here", "InvalidVaultName"),
        ("g", "v" * 51, "here", "InvalidVaultName"),
        ("g", "a/b", "here", "InvalidVaultName"),
        ("", "vault", "here", "InvalidResourceGroup"),
        ("group.", "vault", "here", "InvalidResourceGroup"),
        ("g", "vault", "", "InvalidLocation"),
        ("g", "vault\n", "here", "InvalidVaultName"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_by_name(
    group: str, name: str, location: str, code: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        create_vault(VaultName(SUBSCRIPTION, group, name), location, NOW)
    assert refused_code(refused) == code
    assert refused.value.field in {"name", "resourceGroup", "location"}


@pytest.mark.spec("VA-5")
def test_a_vault_with_contents_is_not_deleted_and_they_are_named(vault: Vault) -> None:
    def servers(vault_id: UUID) -> list[VaultContent]:
        assert vault_id == vault.id
        return [VaultContent("registered server", "VMM-Shanghai")]

    def items(_: UUID) -> list[VaultContent]:
        return [VaultContent("protected item", "GoldVM1")]

    with pytest.raises(RefusedError) as refused:
        delete_vault(vault.id, [servers, items])
    assert refused_code(refused) == "VaultNotEmpty"
    for name in ("VMM-Shanghai", "GoldVM1"):
        assert name in refused.value.failure.message
    assert Vault.objects.filter(pk=vault.id).exists()


def test_an_empty_vault_goes_with_its_keys(vault: Vault, generated: GeneratedKey) -> None:
    delete_vault(vault.id, [lambda _: []])
    assert not RegistrationKey.objects.filter(pk=generated.key.id).exists()
    with pytest.raises(RefusedError) as refused:
        delete_vault(vault.id, [])
    assert refused_code(refused) == "VaultNotFound"


@pytest.mark.spec("VA-3")
def test_the_secret_is_nowhere_but_in_the_file(generated: GeneratedKey) -> None:
    content = json.loads(generated.file.reveal())
    stored = RegistrationKey.objects.filter(pk=generated.key.id).values().get()
    assert content["secret"] not in repr(stored)
    assert content["secret"].encode() not in bytes(stored["secret_hash"])
    assert content["secret"] not in repr(generated)


@pytest.mark.spec("VA-2")
def test_a_key_holds_for_five_days_exactly(generated: GeneratedKey, authority: Authority) -> None:
    end = NOW.replace(microsecond=0) + timedelta(days=5)
    assert admit_key(file_of(generated), authority, NOW).id == generated.key.id
    admit_key(file_of(generated), authority, end - timedelta(seconds=1))
    admit_key(file_of(generated), authority, end - timedelta(microseconds=1))
    with pytest.raises(RefusedError) as refused:
        admit_key(file_of(generated), authority, end)
    assert refused_code(refused) == "KeyExpired"
    assert "2026-11-28 03:00:00" in refused.value.failure.message


@pytest.mark.spec("VA-3")
def test_a_revoked_key_is_refused_and_stays_listed(
    vault: Vault, generated: GeneratedKey, authority: Authority
) -> None:
    revoke_registration_key(vault, generated.key.id, NOW)
    again = revoke_registration_key(vault, generated.key.id, NOW + timedelta(hours=1))
    assert again.revoked_at == NOW
    with pytest.raises(RefusedError) as refused:
        admit_key(file_of(generated), authority, NOW)
    assert refused_code(refused) == "KeyRevoked"
    assert list_registration_keys(vault.id) == [generated.key]


def test_another_vaults_key_is_not_there_to_be_revoked(generated: GeneratedKey) -> None:
    other = create_vault(VaultName(SUBSCRIPTION, "Recovery", "Other"), "westeurope", NOW)
    with pytest.raises(RefusedError) as refused:
        revoke_registration_key(other, generated.key.id, NOW)
    assert refused_code(refused) == "KeyNotFound"


@pytest.mark.spec("VA-3")
def test_a_key_is_used_up_after_its_uses(generated: GeneratedKey, authority: Authority) -> None:
    for _ in range(2):
        count_use(admit_key(file_of(generated), authority, NOW))
    with pytest.raises(RefusedError) as refused:
        count_use(admit_key(file_of(generated), authority, NOW))
    assert refused_code(refused) == "KeyUsedUp"


@pytest.mark.spec("VA-2")
def test_a_key_of_a_vault_that_is_gone_is_foreign(
    vault: Vault, generated: GeneratedKey, authority: Authority
) -> None:
    delete_vault(vault.id, [])
    with pytest.raises(RefusedError) as refused:
        admit_key(file_of(generated), authority, NOW)
    assert refused_code(refused) == "KeyForeign"


def test_another_coordinators_key_is_foreign(generated: GeneratedKey, tmp_path: Path) -> None:
    other = ensure_authority(tmp_path, NOW)
    with pytest.raises(RefusedError) as refused:
        admit_key(file_of(generated), other, NOW)
    assert refused_code(refused) == "KeyForeign"


@pytest.mark.parametrize("max_uses", [0, 1001])
def test_the_number_of_uses_has_limits(max_uses: int, vault: Vault, authority: Authority) -> None:
    with pytest.raises(RefusedError) as refused:
        generate_registration_key(vault, KeyIssuer(authority, "x:1"), "me", NOW, max_uses)
    assert refused_code(refused) == "InvalidMaxUses"
