"""How a client reaches the lab's coordinator: the content of connection.json."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

CONNECTION_FILE = "connection.json"


@dataclass(frozen=True)
class Connection:
    """Everything a client needs; the file is readable by its owner only.

    Attributes:
        endpoint: Base URL of the API.
        authority: Base URL of the token service.
        gateway: Where agents dial, "host:port".
    """

    endpoint: str
    authority: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    subscription_id: str
    resource_group: str
    vault: str
    ca_file: str
    gateway: str

    @classmethod
    def load(cls, state: Path) -> Connection:
        """Reads connection.json of a lab.

        Raises:
            FileNotFoundError: The lab was never brought up.
        """
        return cls(**json.loads((state / CONNECTION_FILE).read_text(encoding="utf-8")))

    def save(self, state: Path) -> None:
        """Writes connection.json, whole or not at all."""
        fresh = state / (CONNECTION_FILE + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(self), stream, indent=2)
        fresh.rename(state / CONNECTION_FILE)
