"""A key file that was changed is not used, and nothing of it is printed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.registration_key import RegistrationKeyError, canonical, read_registration_key
from tests.unit.agent.authority import Authority

AUTHORITY = Authority()
SECRET = "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtcHJpbnRlZA"


def key_fields(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "format": "opensiterecovery-registration-key/1",
        "vault": "金库 1",
        "vault_id": "cccccccc-1111-4111-8111-111111111111",
        "endpoint": "127.0.0.1:8443",
        "ca_certificate": AUTHORITY.pem.decode(),
        "key_id": "dddddddd-1111-4111-8111-111111111111",
        "secret": SECRET,
        "expires_at": "2026-11-28T03:00:00Z",
    } | changes
    fields["signature"] = base64.b64encode(AUTHORITY.sign(canonical(fields))).decode()
    return fields


def key_file(**changes: Any) -> bytes:
    return json.dumps(key_fields(**changes), indent=2, ensure_ascii=False).encode()


@pytest.mark.spec("VA-3")
def test_a_key_says_its_vault_coordinator_and_authority() -> None:
    content = key_file()
    key = read_registration_key(content)
    assert key.vault == "金库 1"
    assert key.endpoint == "127.0.0.1:8443"
    assert key.ca_certificate == AUTHORITY.pem
    assert key.expires_at == datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert key.content.reveal() == content
    assert len(key.ca_fingerprint) == 95


def test_an_expired_key_is_still_read_because_the_coordinators_clock_decides() -> None:
    key = read_registration_key(key_file(expires_at="2001-01-01T00:00:00Z"))
    assert key.expires_at.year == 2001


@pytest.mark.spec("VA-2")
@pytest.mark.parametrize(
    "name",
    [
        "vault",
        "vault_id",
        "endpoint",
        "ca_certificate",
        "key_id",
        "secret",
        "expires_at",
        "signature",
    ],
)
def test_a_key_with_anything_changed_is_called_altered(name: str) -> None:
    other = Authority("Somebody else")
    changes = {
        "vault": "Vault2",
        "vault_id": "cccccccc-1111-4111-8111-111111111112",
        "endpoint": "evil.test:8443",
        "ca_certificate": other.pem.decode(),
        "key_id": "dddddddd-1111-4111-8111-111111111112",
        "secret": "b3RoZXI",
        "expires_at": "2036-11-28T03:00:00Z",
        "signature": base64.b64encode(other.sign(b"x")).decode(),
    }
    fields = key_fields() | {name: changes[name]}
    with pytest.raises(RegistrationKeyError) as caught:
        read_registration_key(json.dumps(fields).encode())
    assert caught.value.failure.code == "KeyAltered"
    assert caught.value.failure.possible_causes
    assert caught.value.failure.recommended_action
    empty: list[Any] = [None, 7, "", [], "\ud800"]
    for missing in empty:
        with pytest.raises(RegistrationKeyError, match="KeyAltered"):
            read_registration_key(json.dumps(fields | {name: missing}).encode())


def test_a_key_signed_over_by_its_own_new_authority_points_elsewhere_and_shows_it() -> None:
    other = Authority("Somebody else")
    fields = key_fields() | {"ca_certificate": other.pem.decode(), "endpoint": "evil.test:1"}
    fields["signature"] = base64.b64encode(other.sign(canonical(fields))).decode()
    key = read_registration_key(json.dumps(fields).encode())
    # Only the person can know: that is why the fingerprint is shown before anything is sent.
    genuine = read_registration_key(key_file())
    assert key.ca_fingerprint != genuine.ca_fingerprint


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ\x90\x00",
        b"{",
        b"[]",
        b"null",
        b'{"format": "opensiterecovery-registration-key/2"}',
        b'{"format": 1}',
        b" " * 70_000,
        b"[" * 60_000,
        b"\xff\xfe\x00",
    ],
)
def test_another_file_is_called_unreadable(content: bytes) -> None:
    with pytest.raises(RegistrationKeyError) as caught:
        read_registration_key(content)
    assert caught.value.failure.code == "KeyUnreadable"


@given(st.integers(0, 2000), st.integers(0, 255))
def test_no_single_changed_byte_goes_unnoticed_unless_it_means_the_same(
    position: int, value: int
) -> None:
    original = key_file()
    content = bytearray(original)
    content[position % len(content)] = value
    told = ""
    try:
        read_registration_key(bytes(content))
        # What was read means what was signed: only spaces between the fields changed.
        assert canonical(json.loads(content)) == canonical(json.loads(original))
    except RegistrationKeyError as error:
        told = f"{error!r} {error} {error.__context__!r}"
    assert SECRET not in told


def test_the_secret_does_not_show() -> None:
    key = read_registration_key(key_file())
    assert SECRET not in repr(key)
    assert SECRET not in str(key)
