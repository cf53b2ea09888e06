"""The key heads are signed with: a file beside the certificate authority's, never in a database."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path

from coordinator.events.audit.heads import Signer
from coordinator.events.audit.recording import Recorder
from coordinator.vaults.services import exclusive, write_file

SEED_BYTES = 32


def ensure_signer(folder: Path) -> Signer:
    """The signer of an installation; its key is made when there is none.

    Args:
        folder: Where the key file is, mode 0600.

    Idempotent, also when several processes start at once.
    """
    file = folder / "audit.key"
    if not file.exists():
        with exclusive(folder):
            if not file.exists():
                write_file(file, secrets.token_hex(SEED_BYTES).encode("ascii"), 0o600)
    return Signer(bytes.fromhex(file.read_text(encoding="ascii").strip()))


@cache
def process_recorder(folder: Path) -> Recorder:
    """The one recorder of this process for the key in a folder."""
    return Recorder(ensure_signer(folder))
