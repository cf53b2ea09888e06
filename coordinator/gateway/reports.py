"""What an agent reports about its fabric: inventory and replication."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
from opensiterecovery.provider.v1.inventory_pb2 import (
    InventoryRequest,
    InventoryStored,
    InventoryUpdate,
)
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, CoordinatorMessage

from coordinator.fabrics.services import InventoryOutcome, SessionRef, apply_inventory
from coordinator.failures import RefusedError
from coordinator.gateway.inventory_parts import InventoryParts, PartMissingError
from coordinator.gateway.replication_reports import ReplicationReports
from coordinator.gateway.settings import GatewayContext
from coordinator.protection.services import ingest_first_copies, ingest_roles, inventory_changed

log = structlog.get_logger(__name__)


class Reports:
    """Takes inventory and replication reports of one session, in order."""

    def __init__(
        self,
        gateway: GatewayContext,
        session: SessionRef,
        send: Callable[[CoordinatorMessage], Awaitable[None]],
    ) -> None:
        self._gateway = gateway
        self._session = session
        self._send = send
        self._parts = InventoryParts(gateway.settings.inventory_objects)
        self._replication = ReplicationReports(gateway, session.identity.fabric_id)

    async def take(self, message: AgentMessage) -> None:
        """Takes one message.

        Raises:
            DatabaseAwayError: It could not be stored; the agent starts over in its next session.
        """
        match message.WhichOneof("message"):
            case "inventory":
                await self._take_part(message.inventory)
            case "first_copies":
                await self._gateway.database.run(
                    ingest_first_copies,
                    self._session.identity.fabric_id,
                    list(message.first_copies.folders),
                    self._gateway.clock(),
                )
            case "role_report":
                await self._gateway.database.run(
                    ingest_roles,
                    self._session.identity.fabric_id,
                    list(message.role_report.copies),
                    self._gateway.clock(),
                )
            case _:
                await self._replication.take(message.replication)

    async def _take_part(self, part: InventoryUpdate) -> None:
        try:
            whole = self._parts.add(part)
        except PartMissingError:
            log.warning("inventory.part_missing", **self._names(), revision=part.revision)
            await self._ask_for_all()
            return
        if whole is None:
            return
        try:
            async with self._gateway.inventory_turns:
                outcome = await self._gateway.database.run(self._store_inventory, whole)
        except RefusedError as error:
            # Commands go on being carried out with the inventory there is.
            log.error("inventory.refused", **self._names(), reason=str(error))  # noqa: TRY400 - the agent's fault, not ours
            return
        if outcome is InventoryOutcome.STORED:
            stored = InventoryStored(revision=part.revision)
            await self._send(CoordinatorMessage(inventory_stored=stored))
        elif outcome is InventoryOutcome.BASE_MISSING:
            await self._ask_for_all()

    def _store_inventory(self, parts: Sequence[InventoryUpdate]) -> InventoryOutcome:
        """The revision, and the work that follows from it, in one transaction."""
        now = self._gateway.clock()
        outcome = apply_inventory(self._session.identity.fabric_id, parts, now, self._session)
        if outcome is InventoryOutcome.STORED:
            inventory_changed(self._session.identity.fabric_id, now)
        return outcome

    async def _ask_for_all(self) -> None:
        request = InventoryRequest(full=True)
        await self._send(CoordinatorMessage(inventory_request=request))

    def _names(self) -> dict[str, str]:
        return {
            "vault_id": str(self._session.identity.vault_id),
            "fabric_id": str(self._session.identity.fabric_id),
        }
