"""Tokens kept between two commands, so that not each of them has to sign in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coordinator.cli.connection import Connection
from coordinator.cli.failures import CommandError
from coordinator.cli.private_files import make_private_folder, read_private, write_private

FILE = "tokens.json"
WORDS = ("access", "expires_at", "refresh")
# A token is not used in its last minutes: the command goes on for a while.
SPARE_SECONDS = 300


@dataclass(frozen=True, repr=False)
class Tokens:
    """What signing in gave.

    Attributes:
        access: Opens the API.
        expires_at: When that is over, in seconds since 1970.
        refresh: Gives new ones to a person's command; empty for programs.
    """

    access: str
    expires_at: int
    refresh: str = ""

    def is_fresh(self, now_seconds: float) -> bool:
        return bool(self.access) and now_seconds < self.expires_at - SPARE_SECONDS

    def __repr__(self) -> str:
        return f"Tokens(***, expires_at={self.expires_at})"


class TokenFile:
    """Tokens of one profile in the file of all."""

    def __init__(self, folder: Path, connection: Connection) -> None:
        self._folder = folder
        self._file = folder / FILE
        self._key = key_of(connection)

    def read(self) -> Tokens | None:
        """The kept tokens; None when there are none, or they cannot be read."""
        found = self._read_all().get(self._key)
        if found is None:
            return None
        access, expires_at, refresh = (found.get(word) for word in WORDS)
        if not isinstance(access, str) or not isinstance(expires_at, int):
            return None
        return Tokens(access, expires_at, refresh if isinstance(refresh, str) else "")

    def write(self, tokens: Tokens) -> None:
        known = {
            **self._read_all(),
            self._key: {word: getattr(tokens, word) for word in WORDS},
        }
        make_private_folder(self._folder)
        write_private(self._file, json.dumps(known))

    def forget(self) -> None:
        known = self._read_all()
        if known.pop(self._key, None) is not None:
            write_private(self._file, json.dumps(known))

    def _read_all(self) -> dict[str, dict[str, object]]:
        # Nothing is lost with a damaged file: one signs in again.
        try:
            found = json.loads(read_private(self._file) or "{}")
        except (ValueError, CommandError):
            return {}
        if not isinstance(found, Mapping):
            return {}
        return {str(key): dict(one) for key, one in found.items() if isinstance(one, Mapping)}


def key_of(connection: Connection) -> str:
    """Tokens are good for one profile as it is: another secret has others."""
    parts = (
        connection.profile,
        connection.authority,
        connection.tenant_id,
        connection.client_id,
        connection.client_secret.reveal(),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
