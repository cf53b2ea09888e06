"""Faults that the lab is told to have: of cmdlets, of storage, of the VMM server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from deploy.lab.site.clock import SiteClock
from deploy.lab.site.durable_files import read_json, write_json
from deploy.lab.site.errors import HyperVError

T = TypeVar("T")


class FaultKind(StrEnum):
    FAIL = "fail"  # an error record instead of the work
    FAIL_AFTER = "fail-after"  # the work is done, then an error record
    HANG = "hang"  # nothing until the faults are cleared, then the work
    STALL = "stall"  # waits, then the work
    LIE = "lie"  # success without the work
    VANISH = "vanish"  # the work is done, the connection breaks before the answer


class VanishedError(Exception):
    """The caller's connection must be broken without an answer."""


@dataclass(kw_only=True)
class Fault:
    """What happens to the next ``remaining`` calls of a cmdlet ("*" is every cmdlet)."""

    kind: FaultKind
    cmdlet: str
    remaining: int = 1
    seconds: float = 0.0
    error_id: str = "OperationFailed"
    category: str = "NotSpecified"
    message: str = "The operation failed because the lab was told so."


@dataclass(kw_only=True)
class StorageFaults:
    """What is wrong with a site's storage; it outlives the daemon, as full disks do.

    Attributes:
        full_hosts: Hosts all of whose storage is full.
        full_places: Mount points and shares that are full, for every host that uses them.
        lost_shares: UNC paths of shares that no host reaches.
    """

    full_hosts: list[str] = field(default_factory=list)
    full_places: list[str] = field(default_factory=list)
    lost_shares: list[str] = field(default_factory=list)


class FaultPlan:
    """All faults of one site.

    Those of cmdlets, the bandwidth of the site's hosts and whether its VMM server is down are kept
    in memory only: a site that boots has none of them.

    Args:
        file: Where faults of storage are kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.faults: list[Fault] = []
        self.storage = StorageFaults(**read_json(file)) if file.exists() else StorageFaults()
        self.bandwidth_bytes_per_second: int | None = None
        self.vmm_down = False
        self.powershell_down = False
        self._cleared = asyncio.Event()

    @property
    def full_hosts(self) -> tuple[str, ...]:
        return tuple(self.storage.full_hosts)

    def set_full_host(self, fqdn: str, *, full: bool) -> None:
        self._set(self.storage.full_hosts, fqdn, there=full)

    def set_full_place(self, path: str, *, full: bool) -> None:
        self._set(self.storage.full_places, path.lower().rstrip("\\"), there=full)

    def set_lost_share(self, path: str, *, lost: bool) -> None:
        self._set(self.storage.lost_shares, path.lower().rstrip("\\"), there=lost)

    def is_full(self, host_fqdn: str, path: str) -> bool:
        """Whether a host cannot write more at a Windows path."""
        return host_fqdn in self.storage.full_hosts or _below(path, self.storage.full_places)

    def is_lost(self, path: str) -> bool:
        """Whether a Windows path is on a share that nobody reaches."""
        return _below(path, self.storage.lost_shares)

    def _set(self, names: list[str], name: str, *, there: bool) -> None:
        if there and name not in names:
            names.append(name)
        if not there and name in names:
            names.remove(name)
        write_json(self._file, asdict(self.storage))

    def add(self, fault: Fault) -> None:
        self.faults.append(fault)

    def clear(self) -> None:
        """Forget all faults of cmdlets and let those that hang go on."""
        self.faults.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def _take(self, cmdlet: str) -> Fault | None:
        for fault in self.faults:
            if fault.remaining > 0 and fault.cmdlet.lower() in ("*", cmdlet.lower()):
                fault.remaining -= 1
                if fault.remaining == 0:
                    self.faults.remove(fault)
                return fault
        return None

    async def around(
        self, cmdlet: str, clock: SiteClock, work: Callable[[], Awaitable[T]], nothing: T
    ) -> T:
        """Do the work of one cmdlet call as the plan says.

        Args:
            cmdlet: Name of the cmdlet.
            clock: Waits when a call stalls (real seconds).
            work: The call itself.
            nothing: What a lie answers.

        Raises:
            HyperVError: The plan says that the call fails.
            VanishedError: The plan says that the answer is lost.
        """
        fault = self._take(cmdlet)
        if fault is None:
            return await work()
        if fault.kind is FaultKind.LIE:
            return nothing
        if fault.kind is FaultKind.FAIL:
            raise HyperVError(fault.error_id, fault.category, fault.message)
        if fault.kind is FaultKind.HANG:
            await self._cleared.wait()
        if fault.kind is FaultKind.STALL:
            await clock.pause(fault.seconds)
        result = await work()
        if fault.kind is FaultKind.FAIL_AFTER:
            raise HyperVError(fault.error_id, fault.category, fault.message)
        if fault.kind is FaultKind.VANISH:
            raise VanishedError(cmdlet)
        return result


def _below(path: str, places: list[str]) -> bool:
    wanted = path.lower().rstrip("\\") + "\\"
    return any(wanted.startswith(place + "\\") for place in places)
