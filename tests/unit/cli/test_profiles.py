"""Profiles, kept tokens, and which connection counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.cli.connection import WORDS, Connection, Secret, content_of
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.profiles import (
    FILE,
    Profiles,
    chosen_connection,
    keep_authority,
    read_profiles,
    write_profiles,
)
from coordinator.cli.tokens import TokenFile, Tokens

pytestmark = pytest.mark.spec("UI-2")

CONNECTION = Connection(
    endpoint="https://osr.example:8443",
    authority="https://osr.example:8443",
    tenant_id="t",
    client_id="c",
    client_secret=Secret("the secret"),
    subscription_id="s",
    resource_group="g",
    vault="Vault-1",
    ca_file="/ca.pem",
)


def test_profiles_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "osr"
    profiles = Profiles().with_profile("a", CONNECTION).with_profile("b", CONNECTION)
    write_profiles(folder, profiles)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert read_profiles(folder) == profiles
    assert profiles.current == "a"
    assert profiles.find("b") == replace(CONNECTION, profile="b")
    assert "the secret" not in repr(profiles)


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    write_profiles(tmp_path, Profiles().with_profile("a", CONNECTION))
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(CommandError, match="can be read by others") as raised:
        read_profiles(tmp_path)
    assert "chmod 600" in raised.value.recommended_action


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"format": "osr profiles 2"}', '{"format": "osr profiles 1"}', "\xff"]
)
def test_a_damaged_file_is_told_of(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(CommandError) as raised:
        read_profiles(tmp_path)
    assert raised.value.exit_code is ExitCode.NOT_CONNECTED
    assert raised.value.recommended_action


def test_the_current_profile_changes_and_goes() -> None:
    both = Profiles().with_profile("a", CONNECTION).with_profile("b", CONNECTION)
    assert both.using("b").current == "b"
    assert both.without("a").current == ""
    assert list(both.without("a").connections) == ["b"]
    with pytest.raises(CommandError, match='no profile "c"'):
        both.using("c")
    for name in ("", "a b", "../x", "x" * 65):
        with pytest.raises(CommandError, match="cannot be the name"):
            both.with_profile(name, CONNECTION)


def test_what_is_on_the_command_line_counts_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSR_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("OSR_CONNECTION", raising=False)
    monkeypatch.delenv("OSR_PROFILE", raising=False)
    with pytest.raises(CommandError) as raised:
        chosen_connection(None, None)
    assert "osr profile add" in raised.value.recommended_action
    profiles = Profiles()
    for name in ("a", "b", "c"):
        profiles = profiles.with_profile(name, replace(CONNECTION, vault=name))
    write_profiles(tmp_path, profiles)
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(content_of(replace(CONNECTION, vault="file"))), encoding="utf-8")

    assert chosen_connection(None, None).vault == "a"
    monkeypatch.setenv("OSR_PROFILE", "b")
    assert chosen_connection(None, None).vault == "b"
    monkeypatch.setenv("OSR_CONNECTION", str(file))
    assert chosen_connection(None, None).vault == "file"
    assert chosen_connection("c", None).vault == "c"
    monkeypatch.delenv("OSR_CONNECTION")
    assert chosen_connection(None, file).vault == "file"
    with pytest.raises(CommandError, match="both given"):
        chosen_connection("c", file)


def test_a_connection_file_may_be_a_person_s(tmp_path: Path) -> None:
    content = dict.fromkeys(WORDS, "x") | {"client_id": "", "client_secret": "", "ca_file": ""}
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    connection = chosen_connection(None, file)
    assert connection.is_person
    assert connection.verify is True


def test_the_authority_is_copied(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\n", encoding="ascii")
    copy = Path(keep_authority(tmp_path / "osr", "a", pem))
    assert copy.read_text(encoding="ascii") == pem.read_text(encoding="ascii")
    assert keep_authority(tmp_path, "a", None) == ""
    pem.write_text("something else", encoding="ascii")
    with pytest.raises(CommandError, match="no certificate in it"):
        keep_authority(tmp_path, "a", pem)
    with pytest.raises(CommandError, match="cannot be used"):
        keep_authority(tmp_path, "a", tmp_path / "none.pem")


def test_tokens_are_kept_for_one_profile_as_it_is(tmp_path: Path) -> None:
    one = replace(CONNECTION, profile="a")
    kept = TokenFile(tmp_path, one)
    assert kept.read() is None
    kept.write(Tokens("abc", 1_000, "again"))
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert TokenFile(tmp_path, one).read() == Tokens("abc", 1_000, "again")
    assert TokenFile(tmp_path, replace(one, profile="b")).read() is None
    assert TokenFile(tmp_path, replace(one, client_secret=Secret("new"))).read() is None
    TokenFile(tmp_path, replace(one, profile="b")).write(Tokens("def", 1))
    kept.forget()
    assert kept.read() is None
    assert TokenFile(tmp_path, replace(one, profile="b")).read() == Tokens("def", 1)


def test_a_damaged_file_of_tokens_is_as_good_as_none(tmp_path: Path) -> None:
    kept = TokenFile(tmp_path, CONNECTION)
    for text in ("{", "[]", '{"x": 1}'):
        (tmp_path / "tokens.json").write_text(text, encoding="utf-8")
        (tmp_path / "tokens.json").chmod(0o600)
        assert kept.read() is None
    kept.write(Tokens("abc", 1))
    assert kept.read() == Tokens("abc", 1)


def test_a_token_is_not_used_in_its_last_minutes_and_not_shown() -> None:
    tokens = Tokens("abc", 1_000)
    assert tokens.is_fresh(699)
    assert not tokens.is_fresh(700)
    assert not Tokens("", 1_000).is_fresh(0)
    assert "abc" not in repr(tokens)
