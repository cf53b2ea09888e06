"""Completing names: from a short-lived cache, within a second, and silent when nothing is known."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from coordinator.cli.connection import Connection
from coordinator.cli.failures import CommandError
from coordinator.cli.private_files import make_private_folder, read_private, write_private
from coordinator.cli.profiles import chosen_connection, config_folder, read_profiles
from coordinator.cli.tokens import key_of

# Names younger than this are taken as they are.
FRESH_SECONDS = 60.0
# The longest a person waits for the coordinator at a press of the tab key.
PATIENCE_SECONDS = 1.0
# After a failure the coordinator is left alone for a while.
AGAIN_SECONDS = 10.0

# What is inserted, and what shells show beside it.
Names = list[tuple[str, str]]
Completer = Callable[[typer.Context, str], Names]


@dataclass(frozen=True)
class NameCache:
    """The file of names of one kind in one vault.

    Attributes:
        file: It.
        now_seconds: The time.
    """

    file: Path
    now_seconds: float

    def read(self) -> tuple[Names, float]:
        """The kept names and how old they are in seconds; infinitely when there are none."""
        with suppress(ValueError, TypeError, KeyError, CommandError):
            content = json.loads(read_private(self.file))
            names = [(str(name), str(about)) for name, about in content["names"]]
            return names, self.now_seconds - float(content["at"])
        return [], float("inf")

    def write(self, names: Names) -> None:
        make_private_folder(self.file.parent)
        write_private(self.file, json.dumps({"at": self.now_seconds, "names": names}))

    def may_ask(self) -> bool:
        """Whether enough time has gone by since somebody asked last; marks that we do."""
        mark = self.file.with_suffix(".asked")
        with suppress(OSError):
            if self.now_seconds - mark.stat().st_mtime < AGAIN_SECONDS:
                return False
        make_private_folder(mark.parent)
        mark.touch(mode=0o600)
        return True


def cache_of(connection: Connection, vault: str, kind: str, now_seconds: float) -> NameCache:
    """The cache of a kind of names."""
    whose = f"{key_of(connection)}\0{connection.endpoint}\0{vault}".lower()
    digest = hashlib.sha256(whose.encode()).hexdigest()[:32]
    return NameCache(cache_folder() / f"{digest}-{kind}.json", now_seconds)


def cache_folder() -> Path:
    """OSR_CACHE_DIR, else osr in the user's caches."""
    given = os.environ.get("OSR_CACHE_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "osr"


def names_of(kind: str, given: Mapping[str, object]) -> Names:
    """Names of a kind: kept ones if they are fresh, else asked for, else kept ones.

    Args:
        kind: One of `name_lists.LISTS`.
        given: Options that were typed already: profile, connection, vault.
    """
    profile, file = given.get("profile"), given.get("connection")
    connection = chosen_connection(
        None if profile is None else str(profile), None if file is None else Path(str(file))
    )
    vault = str(given.get("vault") or os.environ.get("OSR_VAULT") or connection.vault)
    cache = cache_of(connection, vault, kind, time.time())
    names, age_seconds = cache.read()
    if age_seconds < FRESH_SECONDS or not cache.may_ask():
        return names
    _ask(kind, connection, file, vault)
    return cache.read()[0]


def _ask(kind: str, connection: Connection, file: object, vault: str) -> None:
    """Has another process fill the cache; it goes on when we do not wait any longer."""
    environment = {**os.environ, "OSR_VAULT": vault}
    if connection.profile:
        environment.pop("OSR_CONNECTION", None)
        environment["OSR_PROFILE"] = connection.profile
    elif file is not None:
        environment["OSR_CONNECTION"] = str(file)
    # The shell's own variables of completion would make that process complete, too.
    environment = {name: value for name, value in environment.items() if "COMPLETE" not in name}
    asking = subprocess.Popen(
        [sys.executable, "-m", "coordinator.cli.name_lists", kind],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        asking.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        # It goes on by itself: nobody waits for how it ends, and we end before it.
        asking.returncode = 0


def completer(kind: str) -> Completer:
    """What typer calls at a press of the tab key."""

    def complete(ctx: typer.Context, incomplete: str) -> Names:
        # Whatever goes wrong, a person who presses tab must not see it.
        with suppress(Exception):
            return matching(names_of(kind, ctx.params), incomplete)
        return []

    return complete


def matching(names: Names, incomplete: str) -> Names:
    """Names that begin as the typed text does, whatever the case."""
    typed = incomplete.casefold()
    return [(name, about) for name, about in names if name.casefold().startswith(typed)]


def complete_profiles(incomplete: str) -> Names:
    """Profiles; they are on this machine."""
    with suppress(CommandError):
        known = read_profiles(config_folder()).connections
        return matching([(name, one.endpoint) for name, one in known.items()], incomplete)
    return []


complete_vaults = completer("vaults")
complete_servers = completer("servers")
complete_clouds = completer("clouds")
complete_machines = completer("machines")
complete_protected_machines = completer("protected")
complete_plans = completer("plans")
complete_jobs = completer("jobs")
complete_policies = completer("policies")
complete_networks = completer("networks")
complete_classifications = completer("classifications")
complete_pairs = completer("pairs")
