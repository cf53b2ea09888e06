"""An authority and key documents for tests of the vaults domain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from coordinator.secret import Secret
from coordinator.vaults.authority import Authority, ensure_authority
from coordinator.vaults.registration_keys import KeyDocument, write_key_file

NOW = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("ca") / "ca", NOW)


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("other") / "ca", NOW)


def make_document(authority: Authority) -> KeyDocument:
    return KeyDocument(
        vault="Gold-Vault",
        vault_id=UUID("11111111-2222-3333-4444-555555555555"),
        endpoint="dr.example.com:9444",
        ca_certificate=authority.pem,
        key_id=UUID("99999999-2222-3333-4444-555555555555"),
        secret=Secret("s3cret-s3cret"),
        expires_at=NOW + timedelta(days=5),
    )


@pytest.fixture(scope="session")
def document(authority: Authority) -> KeyDocument:
    return make_document(authority)


@pytest.fixture(scope="session")
def key_file(authority: Authority, document: KeyDocument) -> str:
    return write_key_file(document, authority.sign)


@pytest.fixture(scope="session")
def foreign_key_file(other_authority: Authority) -> str:
    return write_key_file(make_document(other_authority), other_authority.sign)
