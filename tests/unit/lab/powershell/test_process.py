from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "deploy.lab.powershell"]


def run(tmp_path: Path, given: bytes, *flags: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, "--site-socket", str(tmp_path / "none"), *flags]
    return subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)


def test_the_end_of_standard_input_ends_it_quietly(tmp_path: Path) -> None:
    done = run(tmp_path, b"", "-NoLogo", "-NoProfile", "-s")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_standard_input_may_be_a_file(tmp_path: Path) -> None:
    given = tmp_path / "input"
    given.write_bytes(b"hello\n")
    command = [*COMMAND, "--site-socket", str(tmp_path / "none"), "-s"]
    with given.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1


def test_malformed_input_is_told_on_standard_error(tmp_path: Path) -> None:
    done = run(tmp_path, b"hello\n", "-NoLogo", "-NoProfile", "-s")
    assert done.returncode == 1
    assert b"not valid XML" in done.stderr


@pytest.mark.parametrize("flags", [("-NoLogo",), ("-s", "-Unknown")])
def test_flags_that_powershell_would_not_serve_with_are_refused(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    assert run(tmp_path, b"", *flags).returncode == 2
