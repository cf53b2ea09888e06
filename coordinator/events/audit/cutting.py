"""Cutting old records off a chain, which says so itself from then on."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import BinaryIO
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.events.audit.chain import CUT, CUT_BASE, CUT_FIRST, Entry, Outcome, encoded
from coordinator.events.audit.models import AuditChain, AuditRecord
from coordinator.events.audit.queries import Exported, exported, next_records, shown
from coordinator.events.audit.recording import ChainOf, Recorder
from coordinator.failures import refuse

log = structlog.get_logger(__name__)


def write_export(export: Exported, file: BinaryIO) -> str:
    """Writes an export as JSON lines: an opening, the records, the signed head.

    Returns:
        SHA-256 of what was written.
    """
    digest = sha256()

    def write(line: bytes) -> None:
        digest.update(line + b"\n")
        file.write(line + b"\n")

    write(encoded(export.opening))
    after = export.start.first - 1
    while found := next_records(export, after):
        for record in found:
            write(encoded(shown(record)))
        after = found[-1].sequence
    write(encoded(export.head.as_fields()))
    return digest.hexdigest()


def old_part(chain: AuditChain, before: datetime, recorder: Recorder) -> Exported:
    """The records from before a moment, as an export of their own with a signed head.

    Raises:
        RefusedError: AuditNothingToCut (409): there are none.
    """
    whole = exported(chain)
    # The first that stays; records may be some milliseconds out of order.
    stays = AuditRecord.objects.filter(chain=chain, at__gte=before).order_by("sequence").first()
    last = (stays.sequence if stays is not None else chain.last_sequence + 1) - 1
    found = AuditRecord.objects.filter(chain=chain, sequence=last).first()
    if found is None:
        raise refuse(
            "AuditNothingToCut",
            f"The audit of {chain.name} has no records from before {before.isoformat()}.",
            causes=["They were cut off before.", "The chain is younger."],
            action="Nothing has to be done.",
            status=409,
        )
    return Exported(whole.start, recorder.signer.head(chain.id, last, bytes(found.hash)))


def cut(chain_id: UUID, part: Exported, digest: str, by: Entry, recorder: Recorder) -> int:
    """Deletes the records of a part that was exported; the chain gets a record that says so.

    Args:
        chain_id: The chain.
        part: As `old_part` gave it.
        digest: SHA-256 of the file it was exported to.
        by: Who, when; the rest of the record is filled in here.
        recorder: Writes it.

    Returns:
        How many records were deleted.

    Raises:
        RefusedError: AuditChanged (409): the chain is not as it was when it was exported.
    """
    first = part.head.sequence + 1
    with transaction.atomic():
        chain = AuditChain.objects.get(pk=chain_id)
        chain = recorder.locked(ChainOf(chain.vault_id, chain.name))
        last = AuditRecord.objects.filter(chain=chain, sequence=part.head.sequence).first()
        same = last is not None and bytes(last.hash) == part.head.hash
        if not same or chain.first_sequence != part.start.first:
            raise refuse(
                "AuditChanged",
                f"The audit of {chain.name} is not as it was when it was exported.",
                causes=["Somebody else cut it meanwhile."],
                action="Keep the file, and repeat the command with another one.",
                status=409,
            )
        details = {
            CUT_FIRST: str(first),
            CUT_BASE: part.head.hash.hex(),
            "exportSha256": digest,
        }
        record = Entry(
            at=by.at,
            action=CUT,
            outcome=Outcome.SUCCEEDED,
            principal_id=by.principal_id,
            principal_type=by.principal_type,
            principal_name=by.principal_name,
            address=by.address,
            details=details,
        )
        recorder.add(chain, [record])
        chain.first_sequence, chain.base_hash = first, part.head.hash
        chain.save(update_fields=["first_sequence", "base_hash"])
        count, _ = AuditRecord.objects.filter(chain=chain, sequence__lt=first).delete()
    log.info("audit.cut", chain=str(chain_id), first=first, deleted=count)
    return count
