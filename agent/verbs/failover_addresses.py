"""The command that says which address a guest takes at its next failover."""

from __future__ import annotations

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.network_pb2 import FailoverAddress, WriteFailoverAddress

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, Value, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.machines import telling_missing_machine, vm_pipeline

# Parameters of the cmdlet and properties of what it sets have the same names.
_PROPERTIES = (
    "IPv4Address",
    "IPv4SubnetMask",
    "IPv4DefaultGateway",
    "IPv4PreferredDNSServer",
    "IPv4AlternateDNSServer",
)


async def write_failover_address(
    request: WriteFailoverAddress, context: VerbContext
) -> FailoverAddress:
    """Writes the failover address of one adapter, or clears it when the request has none.

    Idempotent: what is written already is not written again.

    Raises:
        CommandError: The machine or the adapter is not there, or Hyper-V refused: the machine does
            not replicate, the adapter is a legacy one.

    Source: Set-VMNetworkAdapterFailoverConfiguration; address and mask are given together.
    """
    wanted = _wanted(request)
    goal = Goal(
        action="Set-VMNetworkAdapterFailoverConfiguration",
        expected=request.address or "no failover address",
        observe=lambda: _observe(context, request),
        reached=lambda seen: all(seen.get(name, "") == wanted[name] for name in _PROPERTIES),
        describe=lambda seen: seen.get("IPv4Address") or "no failover address",
    )
    await reach(context, goal, lambda seen: _write(context, request, seen, wanted))
    return FailoverAddress(device_id=request.device_id, address=request.address)


def _wanted(request: WriteFailoverAddress) -> dict[str, str]:
    if not request.address:
        return dict.fromkeys(_PROPERTIES, "")
    servers = [*request.dns_servers, "", ""]
    values = (request.address, request.subnet_mask, request.default_gateway, *servers[:2])
    return dict(zip(_PROPERTIES, values, strict=True))


async def _observe(context: VerbContext, request: WriteFailoverAddress) -> dict[str, str]:
    async with telling_missing_machine(context, request.vm):
        found = await context.reader.run(
            *_adapter(request),
            cmdlet("Get-VMNetworkAdapterFailoverConfiguration"),
            select(*_PROPERTIES),
            time_limit_seconds=context.read_seconds(),
        )
    if not found:
        raise CommandError(_not_found(request))
    return _texts(found[0])


def _texts(record: PSRecord) -> dict[str, str]:
    return {name: record.optional_text(name) or "" for name in _PROPERTIES}


async def _write(
    context: VerbContext,
    request: WriteFailoverAddress,
    seen: dict[str, str],
    wanted: dict[str, str],
) -> None:
    # What the cmdlet is not given it leaves as it was, so what is to go is cleared first.
    if any(seen.get(name) and not wanted[name] for name in _PROPERTIES):
        await _set(context, request, {"ClearFailoverIPv4Settings": True})
    values: dict[str, Value] = {name: text for name, text in wanted.items() if text}
    if values:
        await _set(context, request, values)


async def _set(
    context: VerbContext, request: WriteFailoverAddress, parameters: dict[str, Value]
) -> None:
    await context.powershell.run(
        *_adapter(request),
        Cmdlet("Set-VMNetworkAdapterFailoverConfiguration", parameters),
        time_limit_seconds=context.action_seconds(),
    )


def _adapter(request: WriteFailoverAddress) -> tuple[Cmdlet, ...]:
    """The adapter by Hyper-V's id: adapters of one machine often have one name."""
    return vm_pipeline(
        request.vm,
        cmdlet("Get-VMNetworkAdapter"),
        cmdlet("Where-Object", Property="AdapterId", EQ=True, Value=request.device_id),
    )


def _not_found(request: WriteFailoverAddress) -> Failure:
    return failure(
        "NetworkAdapterNotFound",
        f"The virtual machine {request.vm.vm_id} on {request.vm.host} has no network adapter"
        f" {request.device_id}.",
        ["The adapter was removed.", "The copy was imported as a new machine."],
        "Compare the adapters of both copies, then repeat the operation.",
    )
