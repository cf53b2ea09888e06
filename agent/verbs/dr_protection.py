"""The mark in VMM that says a machine is to be protected."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.dr_protection_pb2 import ClearDrProtection, DrProtection

from agent.powershell.cmdlet import cmdlet, select
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import machine_id


@dataclass(frozen=True)
class _Mark:
    """Whether VMM wants a machine protected; its id there, nil when VMM has no such machine."""

    id_in_vmm: UUID
    required: bool


async def clear_dr_protection(request: ClearDrProtection, context: VerbContext) -> DrProtection:
    """Takes the mark away; nothing here ever sets it.

    Idempotent: a machine without it, or one that VMM does not have, is left alone.

    Raises:
        CommandError: VMM refused.
        PowerShellError: VMM could not be asked.

    Source: Set-SCVirtualMachine -ClearDRProtection, which Microsoft's pages name for cleaning up;
    they call -DRProtectionRequired reserved.
    """
    goal = Goal(
        action="Set-SCVirtualMachine -ClearDRProtection",
        expected="no protection required",
        observe=lambda: _mark(context, request.vm),
        reached=lambda mark: not mark.required,
        describe=lambda mark: "protection required" if mark.required else "none required",
    )
    mark = await reach(context, goal, lambda seen: _clear(context, seen.id_in_vmm))
    return DrProtection(vm_id=request.vm.vm_id, host=request.vm.host, required=mark.required)


async def _mark(context: VerbContext, vm: VirtualMachineRef) -> _Mark:
    found = await context.reader.run(
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        cmdlet("Get-SCVMHost", ComputerName=vm.host),
        cmdlet("Get-SCVirtualMachine"),
        select("ID", "VMId", "HostName", "IsDRProtectionRequired"),
        time_limit_seconds=context.read_seconds(),
    )
    wanted = machine_id(vm)
    for record in found:
        # On one server both copies of a machine have the same Hyper-V id.
        on_host = (record.optional_text("HostName") or "").casefold() == vm.host.casefold()
        if on_host and record.optional_guid("VMId") == wanted:
            required = bool(record.optional_boolean("IsDRProtectionRequired"))
            return _Mark(record.guid("ID"), required)
    return _Mark(UUID(int=0), required=False)


async def _clear(context: VerbContext, known: UUID) -> None:
    await context.powershell.run(
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        cmdlet("Get-SCVirtualMachine", ID=known),
        cmdlet("Set-SCVirtualMachine", ClearDRProtection=True),
        time_limit_seconds=context.action_seconds(),
    )
