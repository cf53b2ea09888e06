"""What a record costs the database: two round trips, the second under the chain's lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from coordinator.events.audit.chain import Entry
from coordinator.events.audit.heads import Head
from coordinator.events.audit.models import AuditChain

# What would be checked at the commit is checked before the lock: see `Recorder.record`.
_LOCK = """
SET CONSTRAINTS ALL IMMEDIATE;
SELECT {columns} FROM events_auditchain WHERE {which} FOR NO KEY UPDATE
"""
_CHAIN = (
    "id",
    "vault_id",
    "name",
    "first_sequence",
    "base_hash",
    "last_sequence",
    "last_hash",
    "key",
    "signature",
)
_COLUMNS = ("chain_id", "sequence", "hash", *(field.name for field in fields(Entry)))
_ROW = f"({', '.join(['%s'] * len(_COLUMNS))})"
_INSERT = f"INSERT INTO events_auditrecord ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608 - names in this module only
_UPDATE = """;
UPDATE events_auditchain SET last_sequence = %s, last_hash = %s, key = %s, signature = %s
WHERE id = %s
"""


def lock_chain(vault_id: UUID | None) -> AuditChain | None:
    """A vault's chain, or the installation's, held until the end of the transaction."""
    which = "vault_id IS NULL" if vault_id is None else "vault_id = %s"
    with connection.cursor() as cursor:
        statement = _LOCK.format(columns=", ".join(_CHAIN), which=which)
        cursor.execute(statement, None if vault_id is None else [vault_id])
        cursor.nextset()
        row = cursor.fetchone()
    return AuditChain.from_db(connection.alias, _CHAIN, row) if row is not None else None


def append(chain_id: UUID, written: Sequence[tuple[int, Entry, bytes]], head: Head) -> None:
    """Adds records with their numbers and hashes, and moves the head."""
    values: list[Any] = []
    for sequence, entry, record_hash in written:
        columns = {
            **vars(entry),
            "chain_id": chain_id,
            "sequence": sequence,
            "hash": record_hash,
            "changed_fields": Jsonb(list(entry.changed_fields)),
            "details": Jsonb(dict(entry.details)),
        }
        values += [columns[column] for column in _COLUMNS]
    values += [head.sequence, head.hash, head.key, head.signature, chain_id]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT + ", ".join([_ROW] * len(written)) + _UPDATE, values)
