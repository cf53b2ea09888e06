"""The flag files that cut a site off from the other sites."""

from __future__ import annotations

from pathlib import Path

FLAG = "cut"


class Partition:
    """While DIR/<site>/cut exists, connections between that site and any other fail."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def cut(self, site: str) -> None:
        (self._state_dir / site).mkdir(parents=True, exist_ok=True)
        (self._state_dir / site / FLAG).write_bytes(b"")

    def heal(self, site: str) -> None:
        (self._state_dir / site / FLAG).unlink(missing_ok=True)

    def is_cut(self, site: str) -> bool:
        return (self._state_dir / site / FLAG).exists()

    def separates(self, one: str, other: str) -> bool:
        return one != other and (self.is_cut(one) or self.is_cut(other))
