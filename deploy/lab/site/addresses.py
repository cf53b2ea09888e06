"""The lab's name service: which loopback address and site a host name belongs to."""

from __future__ import annotations

import fcntl
import ipaddress
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.lab.site.durable_files import read_json, write_json

FIRST_UNPRIVILEGED_PORT = 1024
LOW_PORT_SHIFT = 20_000


def bindable_port(port: int) -> int:
    """The port that is bound for a configured one.

    The lab runs without root, so ports below 1024 (80, 443) are moved up by 20,000 on both ends.
    """
    return port if port >= FIRST_UNPRIVILEGED_PORT else port + LOW_PORT_SHIFT


@dataclass(frozen=True)
class NameRecord:
    address: str
    site: str


class NameService:
    """A file shared by all sites of one lab: host name to address.

    Each lab takes a network 127.x.y.0 of its own, chosen at random once and then kept, so that
    several labs live beside each other on one machine.
    """

    def __init__(self, state_dir: Path, chooser: random.Random | None = None) -> None:
        self._file = state_dir / "dns.json"
        self._lock_file = state_dir / "dns.lock"
        self._chooser = chooser or random.SystemRandom()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, NameRecord]:
        if not self._file.exists():
            return {}
        return {name: NameRecord(**record) for name, record in read_json(self._file).items()}

    def register(self, fqdn: str, site: str) -> str:
        """The address of a host; a name known already keeps its address.

        Raises:
            OSError: No free loopback network was found.
        """
        name = fqdn.lower()
        with self._locked():
            records = self._read()
            if name not in records:
                records[name] = NameRecord(self._next_address(records), site)
                write_json(self._file, {key: asdict(value) for key, value in records.items()})
            return records[name].address

    def resolve(self, fqdn: str) -> NameRecord | None:
        """None when the name is not known."""
        return self._read().get(fqdn.lower())

    def _next_address(self, records: dict[str, NameRecord]) -> str:
        if not records:
            return f"{self._free_network()}.1"
        last = max(ipaddress.IPv4Address(record.address) for record in records.values())
        return str(last + 1)

    def _free_network(self) -> str:
        for _ in range(100):
            x, y = self._chooser.randint(16, 250), self._chooser.randint(0, 250)
            if _can_bind(f"127.{x}.{y}.1"):
                return f"127.{x}.{y}"
        raise OSError("no loopback network 127.x.y.0 can be bound")


def _can_bind(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, bindable_port(443)))
        except OSError:
            return False
    return True
