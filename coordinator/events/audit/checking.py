"""Verifying a chain where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from coordinator.events.audit.chain import as_fields
from coordinator.events.audit.heads import Head
from coordinator.events.audit.models import AuditChain
from coordinator.events.audit.queries import all_records
from coordinator.events.audit.verification import Finding, Start, Verification


@dataclass(frozen=True)
class Verified:
    """What became of verifying a chain.

    Attributes:
        name: The chain's.
        head: Where it ends.
        records: How many records were looked at.
        finding: The first thing wrong; None when nothing is.
    """

    name: str
    head: Head
    records: int
    finding: Finding | None


def verify_chain(chain_id: UUID, key: bytes, kept: Head | None = None) -> Verified:
    """Walks over a chain as it is at one moment, while others go on writing.

    Args:
        chain_id: The chain.
        key: The public key its head must be signed with.
        kept: A head that was put aside.

    Raises:
        AuditChain.DoesNotExist: There is no such chain.

    Source: SPEC EV-3.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        chain = AuditChain.objects.get(pk=chain_id)
        start = Start(chain.id, chain.first_sequence, bytes(chain.base_hash))
        walk = Verification(start, kept)
        records = 0
        for record in all_records(chain.id):
            records += 1
            walk.take(as_fields(chain.id, record.sequence, record.entry), bytes(record.hash))
            if walk.finding is not None:
                break
        return Verified(chain.name, chain.head, records, walk.finish(chain.head, key))
