"""Profiles: several coordinators and vaults by name, kept in one file that only we can read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from coordinator.cli.connection import (
    WORDS,
    Connection,
    connection_of,
    content_of,
    read_connection,
)
from coordinator.cli.failures import CommandError, ExitCode, not_found
from coordinator.cli.private_files import make_private_folder, read_private, write_private

FILE = "profiles.json"
FORMAT = "osr profiles 1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Profiles:
    """All of somebody's profiles.

    Attributes:
        current: Name of the one that counts unless another is named; empty: none.
        connections: By name.
    """

    current: str = ""
    connections: Mapping[str, Connection] = field(default_factory=dict)

    def find(self, name: str) -> Connection:
        """The profile of that name.

        Raises:
            CommandError: There is none.
        """
        if name not in self.connections:
            raise not_found("profile", name, list(self.connections))
        return self.connections[name]

    def with_profile(self, name: str, connection: Connection) -> Profiles:
        """These and another, or a changed one; the first of all is the current one.

        Raises:
            CommandError: The name cannot be one.
        """
        if NAME.fullmatch(name) is None:
            raise CommandError(
                ExitCode.USAGE,
                f'"{name}" cannot be the name of a profile.',
                possible_causes=["Names have letters, digits, dots, dashes and underscores."],
                recommended_action="Choose a name such as beijing or test-lab.",
            )
        known = {**self.connections, name: replace(connection, profile=name)}
        return Profiles(self.current or name, known)

    def without(self, name: str) -> Profiles:
        """These but one."""
        self.find(name)
        left = {key: value for key, value in self.connections.items() if key != name}
        return Profiles("" if self.current == name else self.current, left)

    def using(self, name: str) -> Profiles:
        """These, with another as the current one."""
        self.find(name)
        return replace(self, current=name)


def config_folder() -> Path:
    """Where profiles and tokens are: OSR_CONFIG_DIR, else osr in the user's configuration."""
    given = os.environ.get("OSR_CONFIG_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "osr"


def read_profiles(folder: Path) -> Profiles:
    """What the file of a folder says; none if there is no file.

    Raises:
        CommandError: The file is damaged, or others can read it.
    """
    text = read_private(folder / FILE)
    if not text:
        return Profiles()
    try:
        content = json.loads(text)
        _require_format(content["format"])
        connections = {
            name: connection_of({**{word: one[word] for word in WORDS}, **one, "profile": name})
            for name, one in content["profiles"].items()
        }
        return Profiles(str(content["current"]), connections)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(
            ExitCode.NOT_CONNECTED,
            f"{folder / FILE} is no file of profiles.",
            possible_causes=["It was edited by hand.", "A newer osr wrote it."],
            recommended_action="Mend it, or remove it and add the profiles again: osr profile add.",
        ) from error


def _require_format(given: object) -> None:
    if given != FORMAT:
        raise ValueError(given)


def write_profiles(folder: Path, profiles: Profiles) -> None:
    """Keeps the profiles, for us alone."""
    make_private_folder(folder)
    content = {
        "format": FORMAT,
        "current": profiles.current,
        "profiles": {name: content_of(one) for name, one in profiles.connections.items()},
    }
    write_private(folder / FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def keep_authority(folder: Path, name: str, ca_file: Path | None) -> str:
    """Copies a certificate authority beside the profiles: the file given may go away.

    Returns:
        Path of the copy; empty when none was given.

    Raises:
        CommandError: It is no PEM file.
    """
    if ca_file is None:
        return ""
    try:
        text = ca_file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise _no_authority(ca_file, str(error)) from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise _no_authority(ca_file, "it has no certificate in it")
    make_private_folder(folder)
    copy = folder / f"{name}.ca.pem"
    write_private(copy, text)
    return str(copy)


def forget_authority(folder: Path, name: str) -> None:
    """Removes the copy of a profile that goes."""
    (folder / f"{name}.ca.pem").unlink(missing_ok=True)


def _no_authority(file: Path, reason: str) -> CommandError:
    return CommandError(
        ExitCode.USAGE,
        f"{file} cannot be used as certificate authority: {reason}.",
        possible_causes=["The path is wrong.", "It is in DER form, or a private key."],
        recommended_action="Give the coordinator's ca.pem.",
    )


def chosen_connection(profile: str | None, connection: Path | None) -> Connection:
    """Where this command goes.

    What is on the command line counts first, then OSR_CONNECTION, OSR_PROFILE, and the current
    profile.

    Raises:
        CommandError: Both are given, or nothing is, or what is given is not there.
    """
    if profile and connection:
        raise CommandError(
            ExitCode.USAGE,
            "--profile and --connection were both given.",
            recommended_action="Give one of them.",
        )
    if connection is not None:
        return read_connection(connection)
    if profile is None and os.environ.get("OSR_CONNECTION"):
        return read_connection(Path(os.environ["OSR_CONNECTION"]))
    profiles = read_profiles(config_folder())
    name = profile or os.environ.get("OSR_PROFILE") or profiles.current
    return profiles.find(name) if name else read_connection(None)
