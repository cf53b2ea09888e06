"""What a verb is given besides its request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from opensiterecovery.provider.v1.inventory_pb2 import FabricRefreshed
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.clock import Clock
from agent.powershell.interface import PowerShell
from agent.secret_bytes import SecretBytes
from agent.verbs.reader import PersistentReader

READ_SECONDS = 120.0
"""Longest a question to Hyper-V may take."""

_RESERVE_SHARE = 0.1
_RESERVE_MOST_SECONDS = 10.0
_LEAST_SECONDS = 1.0


async def tell_nobody(activity: str) -> None:
    """For a command nobody watches."""
    del activity


class BeforeStart(Protocol):
    """See `agent.roles.keeper.RoleKeeper.before_start`."""

    async def __call__(self, context: VerbContext, vm: VirtualMachineRef) -> None: ...


async def nothing_before(context: VerbContext, vm: VirtualMachineRef) -> None:
    """For an agent that holds no copies."""
    del context, vm


class Refresh(Protocol):
    """See `agent.fabric.watch.Watch.refresh`."""

    async def __call__(self, *, everything: bool) -> FabricRefreshed: ...


class HostKeys(Protocol):
    """Private keys that wait for their certificate; see `agent.journal.host_keys`."""

    def find(self, host: str) -> SecretBytes | None: ...

    def keep(self, host: str, key: SecretBytes) -> SecretBytes: ...

    def forget(self, host: str) -> None: ...


@dataclass(frozen=True)
class VerbContext:
    """One command's surroundings.

    Attributes:
        powershell: Bound to the command: every pipeline's id names it.
        host_keys: Keys of host certificates.
        clock: The time.
        command_id: The command.
        deadline: When the command's time is up.
        vmm_server: Name of the VMM server or cluster role.
        script_library_path: Root of the share with the scripts of recovery plans; empty: the one
            in Site Recovery's registry value, or else VMM's default share.
        resumed: True when an earlier run of the agent may have acted already.
        poll_interval_seconds: Between two looks at a state that is being waited for.
        settle_seconds: How long a call whose answer was lost is given to show its effect.
        tell: Says what is being done or waited for, for people; may be lost.
        refresh: Looks at the whole fabric, until the coordinator has what was seen; given whether
            everything is to be sent.
        before_start: Called before a machine is started: puts back what was disconnected when its
            copy was held.
    """

    powershell: PowerShell
    host_keys: HostKeys
    clock: Clock
    command_id: UUID
    deadline: datetime
    vmm_server: str = "localhost"
    script_library_path: str = ""
    resumed: bool = False
    poll_interval_seconds: float = 0.5
    settle_seconds: float = 30.0
    tell: Callable[[str], Awaitable[object]] = tell_nobody
    refresh: Refresh | None = None
    before_start: BeforeStart = nothing_before

    @property
    def reader(self) -> PowerShell:
        """For pipelines that change nothing: a lost answer is asked for again."""
        return PersistentReader(
            self.powershell,
            self.clock,
            give_up_at=self.deadline,
            pause_seconds=self.poll_interval_seconds,
            patience_seconds=self.settle_seconds,
        )

    def time_left_seconds(self) -> float:
        """Until the deadline; never negative."""
        return max(0.0, (self.deadline - self.clock()) / timedelta(seconds=1))

    def action_seconds(self) -> float:
        """How long one cmdlet may take, so that time is left to look at what it did."""
        left = self.time_left_seconds()
        return max(_LEAST_SECONDS, left - min(_RESERVE_MOST_SECONDS, left * _RESERVE_SHARE))

    def read_seconds(self) -> float:
        """How long one question may take."""
        return max(_LEAST_SECONDS, min(READ_SECONDS, self.time_left_seconds()))
