"""Discovery and watching as one thing that sessions speak to and that runs beside them."""

import asyncio
from collections.abc import Sequence

from opensiterecovery.provider.v1 import session_pb2

from agent.fabric.inventory_watch import InventoryWatch
from agent.fabric.replication_watch import ReplicationWatch


class Watch:
    """Passes on what the coordinator says. Wire `inventory`'s on_inventory to `set_inventory`."""

    def __init__(self, inventory: InventoryWatch, replication: ReplicationWatch) -> None:
        self.inventory = inventory
        self.replication = replication

    async def run(self) -> None:
        """Runs both until cancelled, or until one of them fails unexpectedly."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.inventory.run(), name="inventory watch")
            tasks.create_task(self.replication.run(), name="replication watch")

    async def session_opened(self, welcome: session_pb2.Welcome) -> None:
        """The coordinator can be told things again, at the intervals of its Welcome."""
        self.inventory.session_opened(welcome.inventory_interval.ToMilliseconds() / 1000)
        self.replication.session_opened(welcome.replication_interval.ToMilliseconds() / 1000)

    async def inventory_stored(self, revision: int) -> None:
        """The coordinator has applied this revision."""
        self.inventory.stored(revision)

    async def inventory_requested(self, *, full: bool) -> None:
        """The coordinator wants a look now; everything when it lost its base."""
        self.inventory.request(full=full)

    async def replication_watched(self, vm_ids: Sequence[str]) -> None:
        """The machines to report about from now on."""
        self.replication.watch(vm_ids)
