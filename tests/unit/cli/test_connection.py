"""Connection files, and files the command writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coordinator.cli.connection import WORDS, read_connection
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.pairs import mapping_name
from coordinator.cli.private_files import write_private


def test_a_connection_does_not_show_its_secret(tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    content = dict.fromkeys(WORDS, "x") | {"client_secret": "the secret", "gateway": "g:1"}
    file.write_text(json.dumps(content), encoding="utf-8")
    connection = read_connection(file)
    assert connection.client_secret.reveal() == "the secret"
    assert "the secret" not in repr(connection)
    assert "the secret" not in str(connection.client_secret)
    assert connection.gateway == "g:1"


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"endpoint": 1}'])
def test_a_file_that_is_no_connection_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "connection.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(CommandError) as error:
        read_connection(file)
    assert error.value.exit_code is ExitCode.NOT_CONNECTED
    assert "OSR_CONNECTION" in error.value.recommended_action


def test_a_missing_file_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        read_connection(tmp_path / "none.json")
    with pytest.raises(CommandError, match="No connection file"):
        read_connection(None)


@pytest.mark.spec("VA-3")
def test_a_key_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "vault.key"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o644)
    write_private(file, "new\n")
    assert file.read_text(encoding="utf-8") == "new\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["vault.key"]


def test_the_name_of_a_pair_can_stand_in_an_address() -> None:
    assert mapping_name("GoldCloud1", "GoldCloud2") == "GoldCloud1-to-GoldCloud2"
    assert mapping_name("Gold cloud/1", "云") == "Gold-cloud-1-to"
    assert len(mapping_name("x" * 90, "y")) == 64
