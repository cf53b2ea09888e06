"""Discovery and watching as one thing that sessions speak to and that runs beside them."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from opensiterecovery.provider.v1 import first_copy_pb2, inventory_pb2, role_pb2, session_pb2

from agent.fabric.first_copy_watch import FirstCopyWatch
from agent.fabric.inventory_watch import InventoryWatch
from agent.fabric.replication_watch import ReplicationWatch


class Roles(Protocol):
    """See `agent.roles.keeper.RoleKeeper`."""

    def session_opened(self) -> None: ...

    async def assigned(self, assignments: Iterable[role_pb2.RoleAssignment]) -> None: ...

    async def run(self) -> None: ...


class Watch:
    """Passes on what the coordinator says. Wire `inventory`'s on_inventory to `set_inventory`."""

    def __init__(
        self,
        inventory: InventoryWatch,
        replication: ReplicationWatch,
        first_copies: FirstCopyWatch,
        roles: Roles,
    ) -> None:
        self.inventory = inventory
        self.replication = replication
        self.first_copies = first_copies
        self.roles = roles

    async def run(self) -> None:
        """Runs all until cancelled, or until one of them fails unexpectedly."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.inventory.run(), name="inventory watch")
            tasks.create_task(self.replication.run(), name="replication watch")
            tasks.create_task(self.first_copies.run(), name="first copy watch")
            tasks.create_task(self.roles.run(), name="role keeper")

    async def session_opened(self, welcome: session_pb2.Welcome) -> None:
        """The coordinator can be told things again, at the intervals of its Welcome."""
        self.inventory.session_opened(
            welcome.inventory_interval.ToMilliseconds() / 1000,
            chosen_clouds_only=welcome.chosen_clouds_only,
        )
        self.replication.session_opened(welcome.replication_interval.ToMilliseconds() / 1000)
        self.first_copies.session_opened(welcome.replication_interval.ToMilliseconds() / 1000)
        self.roles.session_opened()

    async def inventory_stored(self, revision: int) -> None:
        """The coordinator has applied this revision."""
        self.inventory.stored(revision)

    async def inventory_requested(self, *, full: bool) -> None:
        """The coordinator wants a look now; everything when it lost its base."""
        self.inventory.request(full=full)

    async def refresh(self, *, everything: bool) -> inventory_pb2.FabricRefreshed:
        """Looks at all there is now; the coordinator has it when this returns.

        Replication is reported first, over the same stream: whoever has the revision has both.

        Raises:
            PowerShellError, PropertyError: VMM could not be read.
        """
        await self.replication.report_everything()
        revision = await self.inventory.refresh(everything=everything)
        return inventory_pb2.FabricRefreshed(
            inventory_revision=revision, unread_hosts=sorted(self.inventory.reader.unread_hosts)
        )

    async def replication_watched(self, vm_ids: Sequence[str]) -> None:
        """The machines to report about from now on."""
        self.replication.watch(vm_ids)

    async def first_copies_watched(self, places: Iterable[first_copy_pb2.FirstCopyPlace]) -> None:
        """Where to look for folders of offline first copies from now on."""
        self.first_copies.watch(places)

    async def roles_assigned(self, assignments: Sequence[role_pb2.RoleAssignment]) -> None:
        """What each copy at this fabric may do from now on."""
        await self.roles.assigned(assignments)
