"""The registration key file, read and checked before anything is sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from agent.failures import CommandError, failure
from agent.secret_bytes import SecretBytes

FORMAT: Final = "opensiterecovery-registration-key/1"
LARGEST_FILE_BYTES: Final = 64 * 1024

_ENDPOINT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")


class RegistrationKeyError(CommandError):
    """The file cannot be used as a registration key; the failure says why."""


@dataclass(frozen=True)
class RegistrationKey:
    """What the key says, and the file itself, which holds the secret."""

    vault: str
    vault_id: UUID
    endpoint: str
    ca_certificate: bytes
    """PEM."""
    key_id: UUID
    expires_at: datetime
    content: SecretBytes

    @property
    def ca_fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, for people to compare."""
        certificate = x509.load_pem_x509_certificate(self.ca_certificate)
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def read_registration_key(content: bytes) -> RegistrationKey:
    """Reads the file and checks that nothing in it was changed since it was made.

    Whether it has expired, was revoked or used up is not decided here: the coordinator knows.

    Args:
        content: The file, byte for byte.

    Raises:
        RegistrationKeyError: "KeyUnreadable" when it is no key file, "KeyAltered" when it was
            changed. Another copy of the file may help; trying again does not.

    Source: SPEC VA-2, VA-3.
    """
    fields = _fields(content)
    key = _key(fields, content)
    if key is None or not _signed(fields, key):
        raise _altered()
    return key


def _key(fields: Mapping[str, Any], content: bytes) -> RegistrationKey | None:
    """None when a field is missing or malformed.

    The errors of parsers quote what they parse, which holds the secret; so they end here instead
    of becoming the context of another error.
    """
    try:
        _text(fields, "secret")
        return RegistrationKey(
            vault=_text(fields, "vault"),
            vault_id=UUID(_text(fields, "vault_id")),
            endpoint=_endpoint(_text(fields, "endpoint")),
            ca_certificate=_text(fields, "ca_certificate").encode(),
            key_id=UUID(_text(fields, "key_id")),
            expires_at=_moment(_text(fields, "expires_at")),
            content=SecretBytes(content),
        )
    except ValueError:
        return None


def _signed(fields: Mapping[str, Any], key: RegistrationKey) -> bool:
    try:
        signature = base64.b64decode(_text(fields, "signature"), validate=True)
        authority = x509.load_pem_x509_certificate(key.ca_certificate).public_key()
        if not isinstance(authority, ec.EllipticCurvePublicKey):
            return False
        authority.verify(signature, canonical(fields), ec.ECDSA(hashes.SHA256()))
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def canonical(fields: Mapping[str, Any]) -> bytes:
    """What the signature is over: everything but itself, sorted, without spaces, UTF-8."""
    signed = {name: value for name, value in fields.items() if name != "signature"}
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _fields(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST_FILE_BYTES:
        raise _unreadable("it is too large")
    fields = _parsed(content)
    if not isinstance(fields, dict):
        raise _unreadable("it is not a JSON object")
    if fields.get("format") != FORMAT:
        raise _unreadable(f"its format is not {FORMAT}")
    return fields


def _parsed(content: bytes) -> object:
    try:
        parsed: object = json.loads(content)
    # Brackets within brackets, thousands deep, are no key either.
    except (ValueError, RecursionError):
        return None
    return parsed


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text):
        raise ValueError("endpoint")
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("expires_at")
    return moment


def _unreadable(why: str) -> RegistrationKeyError:
    return RegistrationKeyError(
        failure(
            "KeyUnreadable",
            f"The file is no registration key: {why}.",
            ["Another file was chosen.", "The download was not complete."],
            "Download the registration key from the vault again and give that file.",
        )
    )


def _altered() -> RegistrationKeyError:
    return RegistrationKeyError(
        failure(
            "KeyAltered",
            "The registration key was changed after it was made: its signature does not fit.",
            [
                "An editor, a mail program or a copy through a text window changed the file.",
                "Somebody changed it on purpose, to lead the agent to another coordinator.",
            ],
            "Download the registration key from the vault again over a way you trust.",
        )
    )
