"""What the state is after a command that was given up."""

from __future__ import annotations

from google.protobuf.message import Message

from agent.failures import CommandError
from agent.powershell.cmdlet import select
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError
from agent.verbs.machines import MACHINE_PROPERTIES, machine_in, machine_of, vm_pipeline


async def state_afterwards(
    powershell: PowerShell, request: Message, time_limit_seconds: float
) -> str:
    """A sentence for the failure: the state of the machine the request is about, if it has one."""
    vm = machine_in(request)
    if vm is None:
        return "The state was not read again."
    try:
        found = await powershell.run(
            *vm_pipeline(vm, select(*MACHINE_PROPERTIES)), time_limit_seconds=time_limit_seconds
        )
        return f"The state read afterwards: {machine_of(vm, found[0])}."
    except (PowerShellError, PropertyError, CommandError, IndexError):
        return "The state could not be read afterwards."
