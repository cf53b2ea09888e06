"""Which program speaks PSRP: the flag, then the environment, then the file, then Windows' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.configuration import (
    DEFAULT_POWERSHELL,
    ConfigurationError,
    powershell_command,
    script_library_path,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def test_windows_powershell_is_the_default(file: Path) -> None:
    assert powershell_command(None, {}, file) == DEFAULT_POWERSHELL
    file.write_text("other = 1\n")
    assert powershell_command(None, {}, file) == DEFAULT_POWERSHELL


def test_the_flag_wins_over_the_environment_and_that_over_the_file(file: Path) -> None:
    file.write_text('powershell = "pwsh -NoLogo -s"\n')
    environment = {"OSR_AGENT_POWERSHELL": "ssh 'jump host' -s powershell"}
    assert powershell_command("a b", environment, file) == ("a", "b")
    assert powershell_command(None, environment, file) == ("ssh", "jump host", "-s", "powershell")
    assert powershell_command(None, {}, file) == ("pwsh", "-NoLogo", "-s")


def test_the_file_may_hold_a_list(file: Path) -> None:
    file.write_text('powershell = ["C:\\\\Program Files\\\\pwsh.exe", "-s"]\n')
    assert powershell_command(None, {}, file) == ("C:\\Program Files\\pwsh.exe", "-s")


@pytest.mark.parametrize("flag", ["", "  ", "'unfinished"])
def test_an_empty_or_unfinished_command_line_is_refused(flag: str, file: Path) -> None:
    with pytest.raises(ConfigurationError, match="--powershell"):
        powershell_command(flag, {}, file)


@pytest.mark.parametrize("content", ["powershell = 7", "powershell = []", "power shell", '"'])
def test_a_file_that_says_nothing_usable_is_refused(content: str, file: Path) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"agent\.toml"):
        powershell_command(None, {}, file)


def test_the_script_library_is_the_environments_or_the_files_or_unknown(file: Path) -> None:
    assert script_library_path({}, file) == ""
    file.write_text("script_library_path = '\\\\files\\Scripts'\n")
    assert script_library_path({}, file) == r"\\files\Scripts"
    assert script_library_path({"OSR_AGENT_SCRIPT_LIBRARY": r"\\a\b "}, file) == r"\\a\b"
    file.write_text("script_library_path = 7\n")
    with pytest.raises(ConfigurationError, match="script_library_path"):
        script_library_path({}, file)
