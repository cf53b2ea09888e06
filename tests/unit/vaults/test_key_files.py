"""Secrets that are made once, however many want them."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from coordinator.vaults.services import ensure_secret


def test_a_secret_is_made_once_for_all_who_want_it_at_once(tmp_path: Path) -> None:
    file, numbers = tmp_path / "secrets" / "some.key", count()
    with ThreadPoolExecutor(8) as threads:
        found = set(
            threads.map(lambda _: ensure_secret(file, lambda: f"n{next(numbers)}"), [0] * 8)
        )
    assert found == {"n0"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
