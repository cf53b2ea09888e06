"""Faults that the lab is told to have: cmdlets that fail, stall, lie or vanish; full disks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from deploy.lab.site.clock import SiteClock
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


@dataclass
class FaultPlan:
    """Faults in the order they were given; kept in memory only, a site that boots has none."""

    faults: list[Fault] = field(default_factory=list)
    full_hosts: set[str] = field(default_factory=set)
    bandwidth_bytes_per_second: int | None = None
    _cleared: asyncio.Event = field(default_factory=asyncio.Event)

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
