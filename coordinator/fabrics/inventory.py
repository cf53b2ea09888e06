"""Applying a revision of a fabric's inventory: whole, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from django.db.models import QuerySet
from opensiterecovery.provider.v1.inventory_pb2 import InventoryUpdate

from coordinator.fabrics.inventory_rows import KINDS, Difference, Row, read_difference
from coordinator.fabrics.models import Cloud, Fabric, FabricObject, Host, VirtualMachine
from coordinator.fabrics.sessions import SessionRef, is_current
from coordinator.fabrics.settled import forget_settled, overtaken_machines

log = structlog.get_logger(__name__)

BATCH_ROWS = 1000
Table: TypeAlias = type[Cloud] | type[Host] | type[VirtualMachine] | type[FabricObject]
# Kinds with a table of their own; all others share one.
TABLES: dict[str, Table] = {"cloud": Cloud, "host": Host, "virtual_machine": VirtualMachine}
SHARED_KINDS = tuple(kind for kind in KINDS if kind not in TABLES)
COLUMNS: dict[Table, tuple[str, ...]] = {
    Cloud: (),
    Host: ("host_group_path", "cluster_fqdn"),
    VirtualMachine: ("vm_id", "cloud_external_id", "host_fqdn", "state"),
    FabricObject: (),
}


class InventoryOutcome(StrEnum):
    """What became of a revision."""

    # It is in PostgreSQL; also when it was there before.
    STORED = "stored"
    # It starts from a revision the coordinator does not have: everything has to be sent.
    BASE_MISSING = "base_missing"
    # A newer session has begun: what the older one saw counts no more.
    SUPERSEDED = "superseded"


def apply_inventory(
    fabric_id: UUID,
    parts: Sequence[InventoryUpdate],
    now: datetime,
    session: SessionRef | None = None,
) -> InventoryOutcome:
    """Applies a revision onto the one it starts from.

    Args:
        fabric_id: The fabric.
        parts: All parts of the revision, in order, at least one; all with one base and revision.
        now: When what is gone is said to have gone.
        session: That brings it; None: not checked.

    Returns:
        STORED; BASE_MISSING or SUPERSEDED and nothing changed. A session begins, and a machine
        settles, while the fabric's row is held, as it is here: neither can happen between the check
        and the commit.

    Raises:
        RefusedError: InvalidInventory.

    Idempotent: a revision that is sent again changes nothing.

    Source: SPEC DI-1, DI-2.
    """
    base, revision = parts[0].base_revision, parts[0].revision
    difference = read_difference(parts)
    fabric = Fabric.objects.select_for_update(no_key=True).get(pk=fabric_id)
    if session is not None and not is_current(session):
        log.info("inventory.superseded", fabric_id=str(fabric_id), revision=revision)
        return InventoryOutcome.SUPERSEDED
    if base != 0 and base < revision == fabric.inventory_revision:
        return InventoryOutcome.STORED
    if base not in {0, fabric.inventory_revision}:
        log.info("inventory.base_missing", fabric_id=str(fabric_id), base=base, revision=revision)
        return InventoryOutcome.BASE_MISSING
    # Changed by commands since the look began: the next tells of them in any case.
    began_at = look_began_at(parts)
    machines = difference.rows("virtual_machine")
    overtaken = overtaken_machines(fabric_id, machines, began_at, now)
    difference.leave("virtual_machine", overtaken)
    for kind, table in TABLES.items():
        save(table, fabric, difference.rows(kind), revision)
    save(FabricObject, fabric, difference.rows(*SHARED_KINDS), revision)
    if base == 0:
        mark_all_else_gone(fabric, revision, now, overtaken)
    else:
        mark_removed_gone(fabric, difference, revision, now)
    fabric.inventory_revision = revision
    fabric.inventory_at = now
    fabric.looked_at = began_at
    fabric.save(update_fields=["inventory_revision", "inventory_at", "looked_at"])
    forget_settled(fabric_id, began_at, now)
    log.info(
        "inventory.stored",
        vault_id=str(fabric.vault_id),
        fabric_id=str(fabric_id),
        base=base,
        revision=revision,
        changed=len(difference.changed),
        removed=len(difference.removed),
        overtaken=len(overtaken),
    )
    return InventoryOutcome.STORED


def look_began_at(parts: Sequence[InventoryUpdate]) -> datetime | None:
    """When the look began, by the server's clock; None where the agent does not say it."""
    if not parts[0].HasField("look_began_at"):
        return None
    return parts[0].look_began_at.ToDatetime(tzinfo=UTC)


def save(table: Table, fabric: Fabric, rows: Iterable[Row], revision: int) -> None:
    """Inserts or updates; what was gone and is back loses its mark."""
    shared = table is FabricObject
    records = []
    for row in rows:
        columns = {**row.columns, "kind": row.kind} if shared else row.columns
        records.append(
            table(
                vault_id=fabric.vault_id,
                fabric=fabric,
                external_id=row.external_id,
                name=row.name,
                details=row.details,
                gone_at=None,
                revision=revision,
                **columns,
            )
        )
    key = ["fabric", "kind", "external_id"] if shared else ["fabric", "external_id"]
    # Typed so because the tables have nothing in common but their columns.
    manager: Any = table.objects
    manager.bulk_create(
        records,
        batch_size=BATCH_ROWS,
        update_conflicts=True,
        unique_fields=key,
        update_fields=["name", "details", "gone_at", "revision", *COLUMNS[table]],
    )


def present(fabric: Fabric, kind: str) -> QuerySet[Any]:
    """The fabric's objects of a kind that are not gone."""
    table = TABLES.get(kind)
    if table is None:
        return FabricObject.objects.filter(fabric=fabric, kind=kind, gone_at=None)
    return table.objects.filter(fabric=fabric, gone_at=None)


def mark_removed_gone(fabric: Fabric, difference: Difference, revision: int, now: datetime) -> None:
    for kind in KINDS:
        removed = difference.removed_ids(kind)
        if removed:
            present(fabric, kind).filter(external_id__in=removed).update(
                gone_at=now, revision=revision
            )


def mark_all_else_gone(
    fabric: Fabric, revision: int, now: datetime, left_machines: Collection[str] = ()
) -> None:
    """After everything was sent: what this revision has not is no longer there."""
    for table in (*TABLES.values(), FabricObject):
        manager: Any = table.objects
        left = manager.filter(fabric=fabric, gone_at=None).exclude(revision=revision)
        if table is VirtualMachine:
            left = left.exclude(external_id__in=left_machines)
        left.update(gone_at=now, revision=revision)
