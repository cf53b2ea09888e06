"""Virtual machines on a host, addressed by their id and never by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.message import Message
from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef, VirtualMachineState
from opensiterecovery.provider.v1.failure_pb2 import Failure

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.errors import PowerShellFailure
from agent.powershell.records import PSRecord
from agent.verbs.context import VerbContext

_NOT_FOUND_CATEGORIES = frozenset({"ObjectNotFound", "InvalidArgument"})
"""Get-VM -Id is given a well-formed id, so an invalid argument is an id that no machine has."""

VIRTUAL_MACHINE_NOT_FOUND = "VirtualMachineNotFound"
"""Code of the failure that says: the host answers and has no such machine."""

MACHINE_PROPERTIES = (
    "Id",
    "Name",
    "State",
    "Generation",
    "ReplicationMode",
    "ReplicationState",
)


@dataclass(frozen=True)
class Machine:
    """What Get-VM says about one virtual machine."""

    vm_id: UUID
    host: str
    name: str
    state: str
    generation: int
    mode: str
    replication_state: str

    def __str__(self) -> str:
        return f"{self.state}, replication {self.mode}/{self.replication_state}"


def machine_in(request: Message | None) -> VirtualMachineRef | None:
    """The machine that a request is about, if it is about one."""
    vm = getattr(request, "vm", None)
    return vm if isinstance(vm, VirtualMachineRef) else None


def machine_id(vm: VirtualMachineRef) -> UUID:
    """Hyper-V's id of the machine.

    Raises:
        CommandError: The reference holds no id or no host.
    """
    try:
        vm_id = UUID(vm.vm_id)
    except ValueError:
        vm_id = None
    if vm_id is None or not vm.host:
        raise CommandError(
            failure(
                "CommandInvalid",
                f"The command names no virtual machine: id {vm.vm_id!r}, host {vm.host!r}.",
                ["The coordinator and the agent are of versions that do not fit together."],
                "Bring the agent to the coordinator's version.",
            )
        )
    return vm_id


def vm_pipeline(vm: VirtualMachineRef, *rest: Cmdlet) -> tuple[Cmdlet, ...]:
    """Get-VM by id, then the rest, so that the rest acts on this machine and no namesake.

    Raises:
        CommandError: The reference holds no id or no host.
    """
    return (cmdlet("Get-VM", ComputerName=vm.host, Id=machine_id(vm)), *rest)


async def read_machine(context: VerbContext, vm: VirtualMachineRef) -> Machine:
    """Reads one machine.

    Raises:
        CommandError: The host has no such machine.
        PowerShellError: The host could not be asked.
    """
    pipeline = vm_pipeline(vm, select(*MACHINE_PROPERTIES))
    async with telling_missing_machine(context, vm):
        found = await context.reader.run(*pipeline, time_limit_seconds=context.read_seconds())
    if not found:
        raise CommandError(_not_found(vm))
    return machine_of(vm, found[0])


@asynccontextmanager
async def telling_missing_machine(
    context: VerbContext, vm: VirtualMachineRef
) -> AsyncIterator[None]:
    """Turns "no such machine" of a pipeline that begins with Get-VM -Id into its own failure.

    Hyper-V uses the same categories when the host itself cannot be asked, so the host is asked
    for something else before the machine is declared missing.
    """
    try:
        yield
    except PowerShellFailure as error:
        if error.detail.cmdlet != "Get-VM" or error.category not in _NOT_FOUND_CATEGORIES:
            raise
        try:
            await context.reader.run(
                cmdlet("Get-VMHost", ComputerName=vm.host),
                select("Name"),
                time_limit_seconds=context.read_seconds(),
            )
        except PowerShellFailure as of_host:
            raise error from of_host
        raise CommandError(_not_found(vm)) from error


async def read_machine_state(context: VerbContext, vm: VirtualMachineRef) -> VirtualMachineState:
    """Reads one machine with its disks, as the protocol shows it."""
    machine = await read_machine(context, vm)
    disks = await context.reader.run(
        *vm_pipeline(vm, cmdlet("Get-VMHardDiskDrive"), select("Path")),
        time_limit_seconds=context.read_seconds(),
    )
    return VirtualMachineState(
        vm_id=str(machine.vm_id),
        host=machine.host,
        name=machine.name,
        state=machine.state,
        generation=machine.generation,
        replication_mode=machine.mode,
        replication_state=machine.replication_state,
        # A pass-through disk has no path.
        disk_paths=[path for disk in disks if (path := disk.optional_text("Path"))],
    )


def machine_of(vm: VirtualMachineRef, record: PSRecord) -> Machine:
    """The machine from a record with MACHINE_PROPERTIES."""
    return Machine(
        vm_id=record.guid("Id"),
        host=vm.host,
        name=record.text("Name"),
        state=record.enum_name("State"),
        generation=record.integer("Generation"),
        mode=record.enum_name("ReplicationMode"),
        replication_state=record.enum_name("ReplicationState"),
    )


def _not_found(vm: VirtualMachineRef) -> Failure:
    return failure(
        VIRTUAL_MACHINE_NOT_FOUND,
        f"Host {vm.host} has no virtual machine with the id {vm.vm_id}.",
        [
            "The virtual machine was moved to another host since the last discovery.",
            "The virtual machine was deleted.",
            "The agent's account may not see it on this host.",
        ],
        "Refresh the server in the vault, then run the operation again.",
    )
