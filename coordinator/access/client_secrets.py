"""How secrets of programs are kept: as a hash of 256 random bits, which need no slow one."""

from __future__ import annotations

import hashlib
import hmac

from coordinator.secret import Secret

SECRET_BYTES = 32
PREFIX = "sha256$"


def hash_secret(secret: Secret) -> str:
    """The stored form."""
    return PREFIX + hashlib.sha256(secret.reveal().encode()).hexdigest()


def secret_fits(given: str, stored: str) -> bool:
    """Whether a secret somebody gave is the one we stored; takes equally long either way."""
    return hmac.compare_digest(hash_secret(Secret(given)), stored)
