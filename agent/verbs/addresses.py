"""Commands about addresses out of VMM's static pools: reserve one, give it back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.inventory_pb2 import GivenAddress, PoolAddresses
from opensiterecovery.provider.v1.network_pb2 import (
    ReleaseAddress,
    ReserveAddress,
    ReservedAddress,
    StaticAddresses,
)

from agent.failures import failure
from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext


@dataclass(frozen=True)
class _Allocation:
    """An address that is given out, and to which adapter as far as VMM says."""

    id: UUID
    address: str
    assigned_to: str


async def allocated_addresses(
    context: VerbContext, pool_id: str, own: Collection[str]
) -> StaticAddresses:
    """What VMM has given out of a pool, but for the adapters in `own`. Source: Get-SCIPAddress."""
    found = await _of_pool(context, pool_id)
    return StaticAddresses(
        static_address_pool_id=pool_id,
        allocated=sorted(one.address for one in found if one.assigned_to not in own),
    )


async def given_addresses(context: VerbContext, pool_id: str) -> PoolAddresses:
    """What VMM has given out of a pool, and to which adapter. Source: Get-SCIPAddress."""
    found = sorted(await _of_pool(context, pool_id), key=lambda one: one.address)
    return PoolAddresses(
        static_address_pool_id=pool_id,
        addresses=[GivenAddress(address=one.address, adapter_id=one.assigned_to) for one in found],
    )


async def reserve_address(request: ReserveAddress, context: VerbContext) -> ReservedAddress:
    """Has VMM keep an address of a pool for an adapter.

    Idempotent: an address that the adapter has already is left alone, and without a pool or an
    address there is nothing to do.

    Raises:
        CommandError: Another adapter has it, or VMM refused.

    Source: Grant-SCIPAddress.
    """
    if not request.static_address_pool_id or not request.address:
        return ReservedAddress(adapter_id=request.adapter_id)
    goal = Goal(
        action="Grant-SCIPAddress",
        expected=f"{request.address} reserved",
        observe=lambda: _of_pool(context, request.static_address_pool_id),
        reached=lambda found: _holds(found, request),
        describe=lambda found: f"{len(found)} addresses of the pool given out",
        refuse=lambda found: _taken(found, request),
    )
    await reach(context, goal, lambda _: _grant(context, request))
    return ReservedAddress(adapter_id=request.adapter_id, address=request.address)


async def release_address(request: ReleaseAddress, context: VerbContext) -> ReservedAddress:
    """Gives an adapter's address back to its pool; what others have of it is left alone.

    Idempotent: an address that is not given out to the adapter is left alone.

    Source: Revoke-SCIPAddress.
    """

    async def observe() -> list[_Allocation]:
        found = await _of_pool(context, request.static_address_pool_id)
        return [one for one in found if _is_of(one, request)]

    async def act(found: list[_Allocation]) -> None:
        for one in found:
            await context.powershell.run(
                _server(context),
                cmdlet("Get-SCIPAddress", ID=one.id),
                cmdlet("Revoke-SCIPAddress"),
                time_limit_seconds=context.action_seconds(),
            )

    goal = Goal(
        action="Revoke-SCIPAddress",
        expected=f"{request.address} free",
        observe=observe,
        reached=lambda found: not found,
        describe=lambda found: f"{request.address} given out" if found else "free",
    )
    await reach(context, goal, act)
    return ReservedAddress(adapter_id=request.adapter_id)


async def _of_pool(context: VerbContext, pool_id: str) -> list[_Allocation]:
    records = await context.reader.run(
        _server(context),
        cmdlet("Get-SCStaticIPAddressPool", ID=UUID(pool_id)),
        cmdlet("Get-SCIPAddress"),
        select("ID", "Name", "Address", "AssignedToID"),
        time_limit_seconds=context.read_seconds(),
    )
    return [_allocation(record) for record in records]


def _allocation(record: PSRecord) -> _Allocation:
    """The name of an allocated address is the address itself."""
    return _Allocation(
        record.guid("ID"),
        record.optional_text("Address") or record.text("Name"),
        (record.optional_text("AssignedToID") or "").lower(),
    )


async def _grant(context: VerbContext, request: ReserveAddress) -> None:
    await context.powershell.run(
        cmdlet(
            "Grant-OsrIPAddress",
            VMMServer=context.vmm_server,
            StaticIPAddressPoolID=UUID(request.static_address_pool_id),
            VirtualNetworkAdapterID=UUID(request.adapter_id),
            IPAddress=request.address,
            Description=request.description,
        ),
        time_limit_seconds=context.action_seconds(),
    )


def _server(context: VerbContext) -> Cmdlet:
    return cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server)


def _is_of(one: _Allocation, request: ReserveAddress | ReleaseAddress) -> bool:
    return one.address == request.address and one.assigned_to == request.adapter_id.lower()


def _holds(found: list[_Allocation], request: ReserveAddress) -> bool:
    return any(_is_of(one, request) for one in found)


def _taken(found: list[_Allocation], request: ReserveAddress) -> Failure | None:
    if not any(one.address == request.address for one in found):
        return None
    return failure(
        "AddressTaken",
        f"The address {request.address} is given out to another adapter already.",
        ["It was taken between choosing it and reserving it."],
        "Nothing has to be done: another address is chosen at the next attempt.",
    )
