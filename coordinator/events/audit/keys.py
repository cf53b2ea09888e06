"""The key heads are signed with: a file beside the certificate authority's, never in a database."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path

from coordinator.events.audit.heads import Signer
from coordinator.events.audit.recording import Recorder
from coordinator.vaults.services import ensure_secret

SEED_BYTES = 32


def ensure_signer(folder: Path) -> Signer:
    """The signer of an installation; its key is made when there is none.

    Args:
        folder: Where the key file is, mode 0600.

    Idempotent, also when several processes start at once.
    """
    seed = ensure_secret(folder / "audit.key", lambda: secrets.token_hex(SEED_BYTES))
    return Signer(bytes.fromhex(seed))


@cache
def process_recorder(folder: Path) -> Recorder:
    """The one recorder of this process for the key in a folder."""
    return Recorder(ensure_signer(folder))
