"""Reading the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from coordinator.events.audit.chain import Fields, as_fields
from coordinator.events.audit.heads import Head
from coordinator.events.audit.models import AuditChain, AuditRecord
from coordinator.events.audit.verification import Start

# So many records are in memory at once.
AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class AuditFilters:
    """Which records; what is empty or None does not narrow."""

    principal_id: str = ""
    principal_name: str = ""
    address: str = ""
    action: str = ""
    resource: str = ""
    outcome: str = ""
    code: str = ""
    status: int | None = None
    activity_id: str = ""
    correlation_id: str = ""
    client_request_id: str = ""
    job: str = ""
    since: datetime | None = None
    until: datetime | None = None


_TEXTS = (
    "principal_id",
    "principal_name",
    "address",
    "action",
    "resource",
    "outcome",
    "code",
    "activity_id",
    "correlation_id",
    "client_request_id",
    "job",
)


def find_chain(vault_id: UUID | None) -> AuditChain | None:
    """The chain of a vault, or the installation's; None before its first record."""
    return AuditChain.objects.filter(vault_id=vault_id).first()


def find_chain_by_id(chain_id: UUID) -> AuditChain | None:
    return AuditChain.objects.filter(pk=chain_id).first()


def list_chains() -> list[AuditChain]:
    """All chains, by name; those of vaults that are gone too."""
    return list(AuditChain.objects.order_by("name", "id"))


def records_of(vault_id: UUID, filters: AuditFilters) -> QuerySet[AuditRecord]:
    """Records of a vault's chain, newest first."""
    rows = AuditRecord.objects.filter(chain__vault_id=vault_id)
    for column in _TEXTS:
        value = getattr(filters, column)
        if value:
            rows = rows.filter(**{f"{column}__iexact": value})
    if filters.status is not None:
        rows = rows.filter(status=filters.status)
    if filters.since is not None:
        rows = rows.filter(at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(at__lte=filters.until)
    return rows.order_by("-sequence")


def find_record(vault_id: UUID, sequence: int) -> AuditRecord | None:
    return AuditRecord.objects.filter(chain__vault_id=vault_id, sequence=sequence).first()


@dataclass(frozen=True)
class Exported:
    """A chain as it was at one moment: records are read later, those that came since left out."""

    start: Start
    head: Head

    @property
    def opening(self) -> Fields:
        """The first line of an export."""
        return {
            "chain": str(self.start.chain),
            "first": self.start.first,
            "baseHash": self.start.base.hex(),
        }


def exported(chain: AuditChain) -> Exported:
    """What an export of a chain would have now."""
    start = Start(chain.id, chain.first_sequence, bytes(chain.base_hash))
    return Exported(start, chain.head)


def shown(record: AuditRecord) -> Fields:
    """A record with its hash, as it is shown and exported."""
    return {
        **as_fields(record.chain_id, record.sequence, record.entry),
        "hash": bytes(record.hash).hex(),
    }


def next_records(export: Exported, after: int) -> list[AuditRecord]:
    """The next records of an export, oldest first; none at its end."""
    rows = AuditRecord.objects.filter(
        chain_id=export.start.chain, sequence__gt=after, sequence__lte=export.head.sequence
    )
    return list(rows.order_by("sequence")[:AT_ONCE])


def all_records(chain_id: UUID) -> Iterator[AuditRecord]:
    """Every record of a chain, oldest first, a part of them in memory at a time."""
    rows = AuditRecord.objects.filter(chain_id=chain_id).order_by("sequence")
    return rows.iterator(chunk_size=AT_ONCE)
