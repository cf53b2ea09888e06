"""Heads: a chain's last number and hash, signed with a key that is not in the database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from coordinator.events.audit.chain import Fields, encoded

# Nothing else that is ever signed with the key begins so.
PURPOSE = b"opensiterecovery audit head 1\n"


@dataclass(frozen=True)
class Head:
    """Where a chain ended at some moment.

    Attributes:
        chain: The chain's id.
        sequence: Number of its last record; 0 when it has none.
        hash: Of that record.
        key: Public key the signature fits.
        signature: Ed25519 (RFC 8032).
    """

    chain: UUID
    sequence: int
    hash: bytes
    key: bytes
    signature: bytes

    def as_fields(self) -> Fields:
        """As it is shown and exported."""
        return {
            "chain": str(self.chain),
            "sequence": self.sequence,
            "hash": self.hash.hex(),
            "publicKey": self.key.hex(),
            "signature": self.signature.hex(),
        }


def _signed(chain: UUID, sequence: int, record_hash: bytes) -> bytes:
    told: Fields = {"chain": str(chain), "sequence": sequence, "hash": record_hash.hex()}
    return PURPOSE + encoded(told)


class Signer:
    """Holds the key."""

    def __init__(self, seed: bytes) -> None:
        """Makes a signer of 32 random bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def head(self, chain: UUID, sequence: int, record_hash: bytes) -> Head:
        """Signs an end of a chain."""
        signature = self._key.sign(_signed(chain, sequence, record_hash))
        return Head(chain, sequence, record_hash, self.public, signature)


def is_signed(head: Head, key: bytes) -> bool:
    """Whether a head was signed with a key.

    Args:
        head: The head; its own word on the key counts for nothing.
        key: The public key it must have been signed with.
    """
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
        public.verify(head.signature, _signed(head.chain, head.sequence, head.hash))
    except (InvalidSignature, ValueError):
        return False
    return True
