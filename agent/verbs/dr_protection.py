"""The mark in VMM that says a machine is to be protected."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.dr_protection_pb2 import ClearDrProtection, DrProtection

from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.records import PSRecord
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
    """The mark of the machine on its host, or of the one that has left it for another."""
    on_host = await _machines(
        context, vm, cmdlet("Get-SCVMHost", ComputerName=vm.host), cmdlet("Get-SCVirtualMachine")
    )
    found = [record for record in on_host if _is_on(record, vm.host)]
    if not found:
        # Its replica, which has the same Hyper-V id when one server has both, is another machine.
        everywhere = await _machines(context, vm, cmdlet("Get-SCVirtualMachine", All=True))
        found = [record for record in everywhere if not record.optional_boolean("IsRecoveryVM")]
    for record in found:
        return _Mark(record.guid("ID"), bool(record.optional_boolean("IsDRProtectionRequired")))
    return _Mark(UUID(int=0), required=False)


async def _machines(
    context: VerbContext, vm: VirtualMachineRef, *listing: Cmdlet
) -> list[PSRecord]:
    """Those of the listed machines that have the Hyper-V id."""
    records = await context.reader.run(
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        *listing,
        select("ID", "VMId", "HostName", "IsRecoveryVM", "IsDRProtectionRequired"),
        time_limit_seconds=context.read_seconds(),
    )
    wanted = machine_id(vm)
    return [record for record in records if record.optional_guid("VMId") == wanted]


def _is_on(record: PSRecord, host: str) -> bool:
    return (record.optional_text("HostName") or "").casefold() == host.casefold()


async def _clear(context: VerbContext, known: UUID) -> None:
    await context.powershell.run(
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        cmdlet("Get-SCVirtualMachine", ID=known),
        cmdlet("Set-SCVirtualMachine", ClearDRProtection=True),
        time_limit_seconds=context.action_seconds(),
    )
