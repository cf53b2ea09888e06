"""What a person does about a copy on the VMM server, when the coordinator cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from opensiterecovery.provider.v1.command_pb2 import StartVirtualMachine
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.clock import Clock
from agent.journal.host_keys import HostKeyStore
from agent.journal.roles import CopyRole, KnownCopy, RoleStore
from agent.powershell.interface import PowerShell
from agent.powershell.pool import NO_COMMAND
from agent.roles.copies import connect
from agent.verbs.context import VerbContext
from agent.verbs.virtual_machine import start_virtual_machine

LIMIT = timedelta(minutes=5)


@dataclass(frozen=True)
class ByHand:
    """Acts on copies beside a running agent, or without one: they share the journal."""

    powershell: PowerShell
    host_keys: HostKeyStore
    store: RoleStore
    clock: Clock

    async def release(self, copy: KnownCopy, *, start: bool) -> None:
        """Connects what was disconnected; the agent does not hold the copy again in this epoch.

        Args:
            copy: The copy.
            start: Also start it.

        Raises:
            CommandError, PowerShellError: It cannot be connected, or not be started.

        Idempotent.
        """
        context = VerbContext(
            powershell=self.powershell,
            host_keys=self.host_keys,
            clock=self.clock,
            command_id=NO_COMMAND,
            deadline=self.clock() + LIMIT,
        )
        vm = VirtualMachineRef(vm_id=copy.vm_id, host=copy.host)
        self.store.release(copy)
        if copy.adapters is not None:
            await connect(context, vm, copy.adapters)
            self.store.forget_hold(copy)
        if start:
            await start_virtual_machine(StartVirtualMachine(vm=vm), context)


def shown(copy: KnownCopy) -> dict[str, object]:
    """A copy for people."""
    return {
        "vm_id": copy.vm_id,
        "side": copy.location,
        "host": copy.host,
        "role": copy.role.value,
        "epoch": copy.epoch,
        "held": copy.to_be_held and copy.held,
        "released": copy.role is CopyRole.HELD and not copy.to_be_held,
        "automatic_start": copy.start_action,
    }
