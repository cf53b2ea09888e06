"""The way of an inventory in one process: agent, wire, gateway, tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

import structlog
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from opensiterecovery.provider.v1 import inventory_pb2, session_pb2

from agent.fabric.inventory_watch import InventorySettings, InventoryWatch
from agent.powershell.interface import PowerShell
from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.fabrics.services import InventoryOutcome, apply_inventory
from coordinator.gateway.door import let_in
from coordinator.gateway.inventory_parts import InventoryParts
from coordinator.protection.inventory_followers import follow_inventory
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)


def make_fabric(name: str, now: datetime) -> UUID:
    vault = Vault.objects.create(
        subscription_id=uuid4(), resource_group="b", name=name, location="b", created_at=now
    )
    return Fabric.objects.create(
        vault=vault, name=name, friendly_name=name, installation_id=name, registered_at=now
    ).id


class Base:
    """Remembers in memory what the agent's journal keeps on disk."""

    def __init__(self) -> None:
        self.revision = 0
        self.digests: dict[tuple[str, str], bytes] = {}

    def load(self) -> tuple[int, Mapping[tuple[str, str], bytes]]:
        return self.revision, self.digests

    def save(self, revision: int, digests: Mapping[tuple[str, str], bytes]) -> None:
        self.revision, self.digests = revision, dict(digests)

    def amend(
        self,
        revision: int,
        changed: Mapping[tuple[str, str], bytes],
        removed: Iterable[tuple[str, str]],
    ) -> None:
        self.revision = revision
        self.digests |= changed
        for key in removed:
            self.digests.pop(key, None)


class Way:
    """From the agent's look to the rows, with each stretch timed.

    Args:
        powershell: Where the agent asks.
        fabric_id: Whose rows.
    """

    def __init__(self, powershell: PowerShell, fabric_id: UUID) -> None:
        self.fabric_id = fabric_id
        self._watch = InventoryWatch(powershell, Base(), self._send, InventorySettings())
        self._parts = InventoryParts(500_000)
        self._bytes = 0
        self._objects = 0
        self._coordinator = [0.0, 0.0]

    async def look(self) -> Mapping[str, float]:
        """One look; seconds and processor seconds, of all and of the coordinator's part."""
        self._bytes, self._objects, self._coordinator = 0, 0, [0.0, 0.0]
        wall, processor = time.perf_counter(), time.process_time()
        if not await self._watch.look():
            raise RuntimeError("the inventory was not stored")
        return {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - processor,
            "coordinator_seconds": self._coordinator[0],
            "coordinator_cpu_seconds": self._coordinator[1],
            "wire_bytes": self._bytes,
            "objects": self._objects,
        }

    async def _send(self, message: session_pb2.AgentMessage) -> bool:
        body = message.SerializeToString()
        self._bytes += len(body)
        wall, processor = time.perf_counter(), time.process_time()
        received = session_pb2.AgentMessage.FromString(body)
        await let_in(received)
        part = received.inventory
        self._objects += len(part.changed) + len(part.removed)
        whole = self._parts.add(part)
        if whole is not None:
            await sync_to_async(self._store)(whole)
        self._coordinator[0] += time.perf_counter() - wall
        self._coordinator[1] += time.process_time() - processor
        if whole is not None:
            self._watch.stored(part.revision)
        return True

    def _store(self, parts: list[inventory_pb2.InventoryUpdate]) -> None:
        now = datetime.now(UTC)
        with transaction.atomic():
            if apply_inventory(self.fabric_id, parts, now) is not InventoryOutcome.STORED:
                raise RuntimeError("the inventory was refused")
        with transaction.atomic():
            follow_inventory(now, str(self.fabric_id))


def copy_seconds(fabric_id: UUID) -> float:
    """How long a bare COPY of the machines' rows takes, with the same columns and no index."""
    rows = list(
        VirtualMachine.objects.filter(fabric_id=fabric_id).values_list(
            "external_id", "name", "vm_id", "host_fqdn", "details"
        )
    )

    lines = [(*row[:4], json.dumps(row[4])) for row in rows]
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE bare (a text, b text, c text, d text, e jsonb) ON COMMIT DROP"
        )
        with cursor.copy("COPY bare FROM STDIN") as copy:
            for line in lines:
                copy.write_row(line)
    return time.perf_counter() - began
