"""The registration key file: read back as written, and refused when a byte of it is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import RefusedError
from coordinator.vaults.authority import Authority
from coordinator.vaults.registration_keys import KeyDocument, read_key_file

# A damaged certificate may get a serial number that the library still reads, and warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")


def refusal(file: bytes, authority: Authority) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        read_key_file(file, authority.certificate)
    return refused.value


def edited(file: str, **changes: object) -> bytes:
    return json.dumps({**json.loads(file), **changes}, indent=2, ensure_ascii=False).encode()


@pytest.mark.spec("VA-2")
def test_a_key_file_says_what_was_written(
    key_file: str, authority: Authority, document: KeyDocument
) -> None:
    assert read_key_file(key_file.encode(), authority.certificate) == document


def test_a_key_file_has_the_documented_form(key_file: str, authority: Authority) -> None:
    content = json.loads(key_file)
    assert set(content) == {
        "format",
        "vault",
        "vault_id",
        "endpoint",
        "ca_certificate",
        "key_id",
        "secret",
        "expires_at",
        "signature",
    }
    assert content["format"] == "opensiterecovery-registration-key/1"
    assert content["expires_at"] == "2026-11-28T03:00:00Z"
    signature = base64.b64decode(content.pop("signature"))
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    authority.key.public_key().verify(signature, canonical.encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    "transfer",
    [
        lambda file: b"\xef\xbb\xbf" + file,
        lambda file: file.replace(b"\n", b"\r\n"),
        lambda file: file + b"\r\n",
    ],
    ids=["byte order mark", "CRLF", "final line end"],
)
def test_what_editors_and_transfers_add_does_no_harm(
    transfer: Callable[[bytes], bytes], key_file: str, authority: Authority, document: KeyDocument
) -> None:
    assert read_key_file(transfer(key_file.encode()), authority.certificate) == document


@pytest.mark.spec("VA-2")
@given(data=st.data())
def test_any_other_byte_anywhere_makes_the_key_useless(
    data: st.DataObject, key_file: str, authority: Authority
) -> None:
    file = bytearray(key_file.encode())
    position = data.draw(st.integers(0, len(file) - 1))
    file[position] = data.draw(st.integers(0, 255).filter(lambda byte: byte != file[position]))
    assert refusal(bytes(file), authority).failure.code in {"KeyAltered", "KeyMalformed"}


@pytest.mark.spec("VA-2")
def test_a_certificate_damaged_anywhere_is_told_as_altered(
    key_file: str, authority: Authority
) -> None:
    der = authority.der
    for position in range(len(der)):
        for byte in {0, 1, 127, 255, der[position] ^ 1, der[position] ^ 64} - {der[position]}:
            damaged = der[:position] + bytes([byte]) + der[position + 1 :]
            text = base64.encodebytes(damaged).decode()
            pem = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
            error = refusal(edited(key_file, ca_certificate=pem), authority)
            assert error.failure.code == "KeyAltered"


@given(data=st.data())
def test_a_cut_key_is_altered_or_no_key_at_all(
    data: st.DataObject, key_file: str, authority: Authority
) -> None:
    length = data.draw(st.integers(0, len(key_file.encode()) - 1))
    error = refusal(key_file.encode()[:length], authority)
    assert error.failure.code in {"KeyAltered", "KeyMalformed"}


@pytest.mark.spec("VA-2")
@pytest.mark.parametrize(
    "field", ["vault", "vault_id", "endpoint", "key_id", "secret", "expires_at", "signature"]
)
def test_an_edited_field_is_told_as_altered(
    field: str, key_file: str, authority: Authority
) -> None:
    value = json.loads(key_file)[field]
    changed = ("A" if value[0] != "A" else "B") + value[1:]
    assert refusal(edited(key_file, **{field: changed}), authority).failure.code == "KeyAltered"


@pytest.mark.parametrize("change", [{"more": "x"}, {"vault": 7}, {"secret": None}])
def test_a_field_too_many_or_of_another_type_is_told_as_altered(
    change: dict[str, object], key_file: str, authority: Authority
) -> None:
    assert refusal(edited(key_file, **change), authority).failure.code == "KeyAltered"


def test_a_certificate_of_ours_swapped_in_is_told_as_altered(
    foreign_key_file: str, authority: Authority
) -> None:
    file = edited(foreign_key_file, ca_certificate=authority.pem)
    assert refusal(file, authority).failure.code == "KeyAltered"


@pytest.mark.spec("VA-2")
def test_another_coordinators_key_is_told_as_foreign(
    foreign_key_file: str, authority: Authority
) -> None:
    error = refusal(foreign_key_file.encode(), authority)
    assert error.failure.code == "KeyForeign"
    assert "Gold-Vault" in error.failure.message


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"hello",
        b"[]",
        b'{"format": "other/1"}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"9" * 20_000,
    ],
)
def test_another_file_is_told_as_no_key(file: bytes, authority: Authority) -> None:
    assert refusal(file, authority).failure.code == "KeyMalformed"


def test_each_refusal_says_four_things_and_keeps_the_secret(
    key_file: str, foreign_key_file: str, authority: Authority
) -> None:
    altered = edited(key_file, vault="Other")
    for file in (b"hello", altered, foreign_key_file.encode()):
        failure = refusal(file, authority).failure
        assert all([failure.code, failure.message, failure.possible_causes])
        assert failure.recommended_action
        assert "s3cret" not in repr(failure)


def test_a_secret_does_not_print(document: KeyDocument) -> None:
    assert "s3cret" not in f"{document!r} {document.secret} {document.secret!r}"
