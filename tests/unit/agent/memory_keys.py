"""Host keys kept in memory, and a clock that moves when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.secret_bytes import SecretBytes


class MemoryKeys:
    """Implements HostKeys."""

    def __init__(self) -> None:
        self.kept: dict[str, SecretBytes] = {}

    def find(self, host: str) -> SecretBytes | None:
        return self.kept.get(host)

    def keep(self, host: str, key: SecretBytes) -> SecretBytes:
        return self.kept.setdefault(host, key)

    def forget(self, host: str) -> None:
        self.kept.pop(host, None)


class SetClock:
    """A clock that stands until it is advanced, or advances at each look."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.step = timedelta(seconds=step_seconds)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
