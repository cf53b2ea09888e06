"""Secrets that must be read again: sealed with a key that is not in the database."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from coordinator.secret import Secret
from coordinator.vaults.services import ensure_secret

KEY_BYTES = 32
NONCE_BYTES = 12


class SealBrokenError(Exception):
    """What was sealed cannot be opened: the key is another one, or the text was changed."""


@dataclass(frozen=True)
class Seal:
    """AES-256-GCM with the installation's key.

    Attributes:
        key: 32 bytes, from the file beside the certificate authority's.
    """

    key: bytes = field(repr=False)

    def seal(self, secret: Secret, owner: UUID) -> bytes:
        """Seals a secret for its owner: in another's row it cannot be opened."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, secret.reveal().encode(), owner.bytes)

    def open(self, sealed: bytes, owner: UUID) -> Secret:
        """What was sealed.

        Raises:
            SealBrokenError: With another key, for another owner, or changed since.
        """
        nonce, text = bytes(sealed[:NONCE_BYTES]), bytes(sealed[NONCE_BYTES:])
        try:
            return Secret(AESGCM(self.key).decrypt(nonce, text, owner.bytes).decode())
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(f"the secret of {owner} cannot be opened") from error


def ensure_seal(folder: Path) -> Seal:
    """The seal of an installation; its key is made when there is none.

    Args:
        folder: Where the key file is, mode 0600.

    Idempotent, also when several processes start at once.
    """
    key = ensure_secret(folder / "alerts.key", lambda: secrets.token_hex(KEY_BYTES))
    return Seal(bytes.fromhex(key))
