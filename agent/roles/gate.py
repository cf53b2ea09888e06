"""Whether a command may still change a machine, by the epoch it was planned in."""

from __future__ import annotations

import asyncio
from typing import Protocol

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.failures import failure
from agent.journal.roles import CopyRole, RoleStore

_LOOKING = "read_"
_STARTING = "start_virtual_machine"
_DELETING = "delete_replica"


def changes(verb: str) -> bool:
    """Whether a verb changes anything."""
    return not verb.startswith(_LOOKING)


def waits_for_the_coordinator(verb: str, vm: VirtualMachineRef | None) -> bool:
    """Whether a command that an earlier run left is carried out only when it is delivered again.

    What it was for may have been given up and decided otherwise while the agent was away.
    """
    return vm is not None and vm.role_epoch > 0 and changes(verb)


class Gate(Protocol):
    """Decides about commands."""

    async def refusal(self, verb: str, vm: VirtualMachineRef) -> Failure | None:
        """Why the command must not be carried out any more; None when it may be."""


class OpenGate:
    """For an agent that knows no roles."""

    async def refusal(self, verb: str, vm: VirtualMachineRef) -> Failure | None:
        del verb, vm
        return None


class RoleGate:
    """Decides by the journal: an older epoch changes nothing, a newer one is learned from."""

    def __init__(self, store: RoleStore) -> None:
        self._store = store

    async def refusal(self, verb: str, vm: VirtualMachineRef) -> Failure | None:
        """See `Gate`. Source: DESIGN invariant 7."""
        if not changes(verb):
            return None
        return await asyncio.to_thread(self._refusal, verb, vm)

    def _refusal(self, verb: str, vm: VirtualMachineRef) -> Failure | None:
        known = self._store.epoch(vm.vm_id)
        if 0 < vm.role_epoch < known:
            return _superseded(vm, known)
        if vm.role_epoch > known:
            self._store.raise_epoch(vm.vm_id, vm.role_epoch)
        if verb not in {_STARTING, _DELETING}:
            return None
        here = [
            copy
            for copy in self._store.of_machine(vm.vm_id)
            if copy.host.casefold() == vm.host.casefold() and copy.assigned
        ]
        if verb == _DELETING:
            # Off, and its replication removed, the machine itself looks like a former replica.
            active = any(copy.role is CopyRole.ACTIVE for copy in here)
            return _active(vm) if active else None
        return _held(vm) if any(copy.to_be_held for copy in here) else None


def _superseded(vm: VirtualMachineRef, known: int) -> Failure:
    return failure(
        "RoleEpochSuperseded",
        f"The command for the virtual machine {vm.vm_id} on {vm.host} was planned in epoch"
        f" {vm.role_epoch}; since epoch {known} it may belong to the other site.",
        [
            "The machine was failed over, or its failover cancelled, while this server was down.",
        ],
        "Look where the machine runs now; nothing was changed here.",
    )


def _held(vm: VirtualMachineRef) -> Failure:
    return failure(
        "VirtualMachineHeld",
        f"The virtual machine {vm.vm_id} on {vm.host} is held: a failover made its other copy the"
        f" machine, and both must not run ({CopyRole.HELD}).",
        ["The site came back after an unplanned failover."],
        "Reverse replicate the machine, or cancel its failover.",
    )


def _active(vm: VirtualMachineRef) -> Failure:
    return failure(
        "VirtualMachineActive",
        f"The virtual machine {vm.vm_id} on {vm.host} is the machine itself and no replica"
        f" ({CopyRole.ACTIVE}); it is not deleted.",
        ["It was failed over to this host after its protection began to be disabled."],
        "Look on which side the machine runs. If this copy is not needed, delete it in VMM.",
    )
