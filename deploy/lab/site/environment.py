"""What a site gets from outside: folder, clock, identifiers, randomness, guests' habits, waits."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.lab.site.clock import SiteClock


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class GuestProfile:
    """How busy a guest is; its interval is real time, speed does not change it.

    Attributes:
        interval_seconds: Between two ledger records.
        block_bytes: Length of the random block written to each disk with each record.
    """

    interval_seconds: float = 0.25
    block_bytes: int = 4096


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Injected once, when a site is opened."""

    state_dir: Path
    clock: SiteClock = field(default_factory=SiteClock)
    new_id: Callable[[], str] = _new_id
    random: random.Random = field(default_factory=random.Random)
    guest: GuestProfile = field(default_factory=GuestProfile)
    connect_timeout_seconds: float = 5.0
    answer_timeout_seconds: float = 60.0
