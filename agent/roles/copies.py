"""What is done to a copy on its host so that it runs only when it may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.journal.roles import Adapter
from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import telling_missing_machine, vm_pipeline

SEEN_PROPERTIES = ("Id", "State", "ReplicationMode", "AutomaticStartAction", "AutomaticStartDelay")
ADAPTER_PROPERTIES = ("AdapterId", "Name", "SwitchName")
NOTHING = "Nothing"
NOT_RUNNING = frozenset({"Off", "Saved"})


@dataclass(frozen=True)
class SeenCopy:
    """What a host says of a copy.

    Attributes:
        connected: One of its adapters is connected to a switch; only where that was looked at.
    """

    vm_id: str
    state: str
    start_action: str
    start_delay_seconds: int
    connected: bool = False

    @classmethod
    def of(cls, record: PSRecord) -> SeenCopy:
        return cls(
            vm_id=str(record.guid("Id")),
            state=record.enum_name("State"),
            start_action=record.optional_enum_name("AutomaticStartAction") or "",
            start_delay_seconds=record.optional_integer("AutomaticStartDelay") or 0,
        )

    @property
    def runs(self) -> bool:
        return self.state not in NOT_RUNNING


async def read_copy(context: VerbContext, vm: VirtualMachineRef) -> SeenCopy:
    """Reads one copy.

    Raises:
        CommandError: The host has no such machine.
        PowerShellError: The host could not be asked.
    """
    async with telling_missing_machine(context, vm):
        found = await context.reader.run(
            *vm_pipeline(vm, select(*SEEN_PROPERTIES)), time_limit_seconds=context.read_seconds()
        )
    return SeenCopy.of(found[0])


async def set_automatic_start(context: VerbContext, vm: VirtualMachineRef, action: str) -> None:
    """Has the host start the copy by itself, or not. Idempotent.

    Args:
        context: Surroundings.
        vm: The copy.
        action: Name of a StartAction. The delay is left as its owner set it.

    Source: Set-VM -AutomaticStartAction.
    """
    goal = Goal(
        action="Set-VM",
        expected=f"AutomaticStartAction {action}",
        observe=lambda: read_copy(context, vm),
        reached=lambda seen: seen.start_action == action,
        describe=lambda seen: f"AutomaticStartAction {seen.start_action}",
    )
    change = cmdlet("Set-VM", AutomaticStartAction=action, Confirm=False)
    await reach(
        context,
        goal,
        lambda _: context.powershell.run(
            *vm_pipeline(vm, change), time_limit_seconds=context.action_seconds()
        ),
    )


async def connected_adapters(context: VerbContext, vm: VirtualMachineRef) -> list[Adapter]:
    """The copy's adapters that are connected to a switch."""
    async with telling_missing_machine(context, vm):
        records = await context.reader.run(
            *vm_pipeline(vm, cmdlet("Get-VMNetworkAdapter"), select(*ADAPTER_PROPERTIES)),
            time_limit_seconds=context.read_seconds(),
        )
    return [
        Adapter(record.text("AdapterId"), record.optional_text("Name") or "", switch)
        for record in records
        if (switch := record.optional_text("SwitchName"))
    ]


async def disconnect(context: VerbContext, vm: VirtualMachineRef) -> None:
    """Takes every adapter off its switch. Idempotent. Source: Disconnect-VMNetworkAdapter."""
    goal = Goal(
        action="Disconnect-VMNetworkAdapter",
        expected="connected to nothing",
        observe=lambda: connected_adapters(context, vm),
        reached=lambda connected: not connected,
        describe=_described,
    )
    steps = (
        cmdlet("Get-VMNetworkAdapter"),
        cmdlet("Disconnect-VMNetworkAdapter", Confirm=False),
    )
    await reach(
        context,
        goal,
        lambda _: context.powershell.run(
            *vm_pipeline(vm, *steps), time_limit_seconds=context.action_seconds()
        ),
    )


async def connect(context: VerbContext, vm: VirtualMachineRef, adapters: Iterable[Adapter]) -> None:
    """Puts adapters back on their switches. Idempotent: one that is connected is left alone.

    An adapter that is gone is passed over; a switch that is gone fails.

    Source: Connect-VMNetworkAdapter.
    """
    for adapter in adapters:
        await _connect_one(context, vm, adapter)


async def turn_off(context: VerbContext, vm: VirtualMachineRef) -> None:
    """Turns the copy off. Idempotent. Source: Stop-VM -TurnOff."""
    goal = Goal(
        action="Stop-VM",
        expected="Off",
        observe=lambda: read_copy(context, vm),
        reached=lambda seen: not seen.runs,
        describe=lambda seen: seen.state,
        under_way=lambda seen: seen.state == "Stopping",
    )
    stop = cmdlet("Stop-VM", TurnOff=True, Confirm=False)
    await reach(
        context,
        goal,
        lambda _: context.powershell.run(
            *vm_pipeline(vm, stop), time_limit_seconds=context.action_seconds()
        ),
    )


async def _connect_one(context: VerbContext, vm: VirtualMachineRef, adapter: Adapter) -> None:
    # By id: several adapters of a machine may have one name.
    wanted = cmdlet("Where-Object", Property="AdapterId", EQ=True, Value=adapter.adapter_id)

    async def look() -> list[PSRecord]:
        async with telling_missing_machine(context, vm):
            return await context.reader.run(
                *vm_pipeline(
                    vm, cmdlet("Get-VMNetworkAdapter"), wanted, select(*ADAPTER_PROPERTIES)
                ),
                time_limit_seconds=context.read_seconds(),
            )

    goal = Goal(
        action="Connect-VMNetworkAdapter",
        expected=f"connected to {adapter.switch_name}",
        observe=look,
        reached=lambda found: all(record.optional_text("SwitchName") for record in found),
        describe=lambda found: "not connected" if found else "there is no such adapter",
    )
    change = cmdlet("Connect-VMNetworkAdapter", SwitchName=adapter.switch_name, Confirm=False)
    await reach(
        context,
        goal,
        lambda _: context.powershell.run(
            *vm_pipeline(vm, cmdlet("Get-VMNetworkAdapter"), wanted, change),
            time_limit_seconds=context.action_seconds(),
        ),
    )


def _described(connected: list[Adapter]) -> str:
    return "connected to " + (", ".join(each.switch_name for each in connected) or "nothing")
