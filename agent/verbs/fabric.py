"""Looking at the whole fabric at once, when the coordinator asks."""

from __future__ import annotations

from opensiterecovery.provider.v1.inventory_pb2 import FabricRefreshed, RefreshFabric

from agent.verbs.context import VerbContext


async def refresh_fabric(request: RefreshFabric, context: VerbContext) -> FabricRefreshed:
    """Looks at machines, hosts, networks, storage and replication; changes nothing.

    Returns:
        The revision the coordinator has when this returns: nothing seen is newer.

    Raises:
        PowerShellError, PropertyError: VMM could not be read.

    Source: SPEC DI-2, DI-4.
    """
    if context.refresh is None:
        raise LookupError("this agent watches no fabric")
    await context.tell("looking at the whole fabric")
    return await context.refresh(everything=request.everything)
