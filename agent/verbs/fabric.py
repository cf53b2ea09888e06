"""Looking at the whole fabric at once, when the coordinator asks."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from opensiterecovery.provider.v1.inventory_pb2 import (
    FabricRefreshed,
    PoolAddresses,
    RefreshFabric,
)

from agent.powershell.errors import PowerShellError
from agent.powershell.records import PropertyError
from agent.verbs.addresses import given_addresses
from agent.verbs.context import VerbContext

log = structlog.get_logger(__name__)


async def refresh_fabric(request: RefreshFabric, context: VerbContext) -> FabricRefreshed:
    """Looks at machines, hosts, networks, storage and replication; changes nothing.

    Returns:
        The revision the coordinator has when this returns: nothing seen is newer. And of the pools
        that were asked for, those that could be read.

    Raises:
        PowerShellError, PropertyError: VMM could not be read.

    Source: SPEC DI-2, DI-4.
    """
    if context.refresh is None:
        raise LookupError("this agent watches no fabric")
    await context.tell("looking at the whole fabric")
    refreshed = await context.refresh(everything=request.everything)
    refreshed.pools.extend(await _pools(context, request.static_address_pool_ids))
    return refreshed


async def _pools(context: VerbContext, pool_ids: Iterable[str]) -> list[PoolAddresses]:
    found: list[PoolAddresses] = []
    for pool_id in pool_ids:
        try:
            found.append(await given_addresses(context, pool_id))
        except (PowerShellError, PropertyError) as error:
            # The coordinator says nothing of addresses in a pool that is not told of.
            log.info("pool.unread", static_address_pool_id=pool_id, error=str(error))
    return found
