"""The journal of everything that was done at a site, one line an effect."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# Written by whoever cut the power: every VM of the site stopped at that moment at the latest.
SITE_LOST_POWER = "site.lost_power"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One change that happened; command_id names the command that caused it, if one did."""

    at: str
    site: str
    host: str
    effect: str
    target: str
    command_id: str | None
    details: dict[str, Any]


class EffectsJournal:
    """Appends to effects.jsonl, synced line by line. A refused call never gets here."""

    def __init__(self, path: Path, site: str) -> None:
        self._path = path
        self._site = site
        path.parent.mkdir(parents=True, exist_ok=True)
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        """After a loss of power the last line may be cut short; it must not swallow the next."""
        if not self._path.exists() or self._path.stat().st_size == 0:
            return
        if not self._path.read_bytes().endswith(b"\n"):
            with self._path.open("ab") as file:
                file.write(b"\n")

    def record(
        self,
        at: datetime,
        host: str,
        effect: tuple[str, str],
        command_id: str | None,
        details: Mapping[str, Any],
    ) -> Effect:
        """Write one line.

        Args:
            at: When it happened.
            host: Name of the host it happened on.
            effect: What happened ("vm.started") and to what (a VM's or a host's id).
            command_id: The command that caused it.
            details: Facts that can be compared later; never a secret.
        """
        entry = Effect(
            at=at.isoformat(),
            site=self._site,
            host=host,
            effect=effect[0],
            target=effect[1],
            command_id=command_id,
            details=dict(details),
        )
        line = json.dumps(asdict(entry), sort_keys=True).encode() + b"\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return entry

    def read(self) -> list[Effect]:
        return read_effects(self._path)


def read_effects(path: Path) -> list[Effect]:
    """Effects in order; a torn line of a crash is left out."""
    if not path.exists():
        return []
    effects = []
    for line in path.read_bytes().splitlines():
        try:
            effects.append(Effect(**json.loads(line)))
        except ValueError:
            continue
    return effects
