"""An identity is private, whole, and says so when it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.identity import (
    IdentityError,
    NotRegisteredError,
    load_identity,
    make_private_key,
    pending_private_key,
    save_identity,
)
from agent.private_files import write_private
from tests.unit.agent.authority import Authority
from tests.unit.agent.session.conftest import made_identity


def test_without_a_file_the_agent_is_not_registered(tmp_path: Path) -> None:
    with pytest.raises(NotRegisteredError):
        load_identity(tmp_path / "identity.json")


@pytest.mark.parametrize("damage", ["", "{}", "[]", "null", "private_key", "format", "other key"])
def test_a_damaged_identity_is_told_without_quoting_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "identity.json"
    save_identity(path, made_identity(Authority(), "127.0.0.1:1"))
    content = json.loads(path.read_text())
    secret = content["private_key"]
    if damage in content:
        content[damage] = content[damage][:20]
    if damage == "other key":
        content["private_key"] = make_private_key().reveal().decode()
    path.write_text(damage if damage in {"", "{}", "[]", "null"} else json.dumps(content))
    with pytest.raises(IdentityError) as caught:
        load_identity(path)
    assert not isinstance(caught.value, NotRegisteredError)
    assert caught.value.__context__ is None
    assert secret[40:80] not in str(caught.value)


def test_a_pending_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pending-key.pem"
    assert pending_private_key(path) == pending_private_key(path)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")
    folder = tmp_path / "file2"
    folder.mkdir()
    with pytest.raises(OSError, match="file2"):
        write_private(folder, b"new")  # a folder cannot be replaced by a file
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "file2"]
