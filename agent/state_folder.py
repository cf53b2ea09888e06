"""Where the agent keeps what must outlive it, and the names of the files there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True)
class StateFolder:
    """The folder given by `--state`."""

    path: Path

    @property
    def identity(self) -> Path:
        return self.path / "identity.json"

    @property
    def pending_key(self) -> Path:
        """Private key of a certificate that was asked for and has not come yet."""
        return self.path / "pending-key.pem"

    @property
    def configuration(self) -> Path:
        return self.path / "agent.toml"

    @property
    def lock(self) -> Path:
        return self.path / "running.lock"

    def journal(self, provider_id: UUID) -> Path:
        """One journal a provider: what one vault commanded is never done for another."""
        return self.path / f"journal-{provider_id}.sqlite3"


def default_state_folder() -> Path:
    """The folder a service uses: below ProgramData on Windows, below /var/lib elsewhere."""
    if os.name == "nt":
        return Path(os.environ["PROGRAMDATA"]) / "OpenSiteRecovery" / "agent"
    return Path("/var/lib/opensiterecovery/agent")
