"""Completing names from the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.cli.completion import (
    AGAIN_SECONDS,
    FRESH_SECONDS,
    NameCache,
    cache_of,
    complete_profiles,
    completer,
    matching,
    names_of,
)
from coordinator.cli.connection import Connection, Secret
from coordinator.cli.profiles import Profiles, write_profiles

pytestmark = pytest.mark.spec("UI-2")

# Nothing listens at port 1.
NOWHERE = "https://127.0.0.1:1"
PROGRAM = Connection(NOWHERE, NOWHERE, "t", "c", Secret("x"), "s", "g", "Vault-1", "", "")
NAMES = [("GoldVM1", "Protected"), ("goldVM2", ""), ("Silver", "")]


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setenv("OSR_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("OSR_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OSR_CONNECTION", "OSR_PROFILE", "OSR_VAULT"):
        monkeypatch.delenv(name, raising=False)
    write_profiles(tmp_path / "config", Profiles().with_profile("lab", PROGRAM))
    return replace(PROGRAM, profile="lab")


def test_names_begin_as_what_is_typed_does() -> None:
    assert matching(NAMES, "gold") == NAMES[:2]
    assert matching(NAMES, "") == NAMES


def test_fresh_names_are_taken_without_asking(profile: Connection) -> None:
    cache = cache_of(profile, "Vault-1", "protected", time.time())
    cache.write(NAMES)
    assert cache.file.stat().st_mode & 0o777 == 0o600
    assert names_of("protected", {}) == NAMES
    # Another vault has other names.
    assert cache_of(profile, "Vault-2", "protected", time.time()).read()[0] == []


def test_when_nobody_answers_older_names_are_shown_and_it_is_silent(
    profile: Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    cache_of(profile, "Vault-1", "protected", time.time() - 2 * FRESH_SECONDS).write(NAMES)
    complete = completer("protected")

    class Typed:
        params: dict[str, object] = {"profile": "lab"}  # noqa: RUF012 - only read

    assert complete(Typed(), "gold") == NAMES[:2]  # type: ignore[arg-type] # it has what is read
    Typed.params = {"profile": "none"}
    assert complete(Typed(), "gold") == []  # type: ignore[arg-type] # likewise
    assert capfd.readouterr() == ("", "")


def test_after_a_failure_the_coordinator_is_left_alone_for_a_while(tmp_path: Path) -> None:
    cache = NameCache(tmp_path / "cache" / "x.json", time.time())
    assert cache.may_ask()
    assert not cache.may_ask()
    mark = cache.file.with_suffix(".asked")
    os.utime(mark, (time.time() - 2 * AGAIN_SECONDS,) * 2)
    assert cache.may_ask()
    assert cache.read() == ([], float("inf"))
    cache.file.write_text("{", encoding="utf-8")
    cache.file.chmod(0o600)
    assert cache.read() == ([], float("inf"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_every_shell_gets_a_script(shell: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from coordinator.cli.main import app; app(prog_name='osr')"],
        env={**os.environ, "_OSR_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "_OSR_COMPLETE" in shown.stdout
    assert "osr" in shown.stdout


def test_profiles_are_completed_from_their_file(profile: Connection) -> None:
    assert complete_profiles("l") == [("lab", NOWHERE)]
    assert complete_profiles("x") == []
