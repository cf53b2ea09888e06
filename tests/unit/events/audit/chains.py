"""Chains made of random records, as files of lines; and what both verifiers say of such a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from coordinator.cli.audit_chain import AuditWalk, lines_of
from coordinator.events.audit.chain import (
    GENESIS,
    Entry,
    Outcome,
    as_fields,
    encoded,
    hash_after,
)
from coordinator.events.audit.heads import Head, Signer
from coordinator.events.audit.verification import Start, Verification

CHAIN = UUID("9b2ff6b5-0a1c-4e57-8a68-3c1b6e3b9a11")
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = Signer(bytes(range(32)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ENTRIES = st.builds(
    Entry,
    at=st.integers(0, 10**15).map(lambda passed: BEGUN + timedelta(microseconds=passed)),
    action=TEXTS,
    outcome=st.sampled_from(Outcome),
    principal_id=TEXTS,
    principal_name=TEXTS,
    address=TEXTS,
    resource=TEXTS,
    status=st.integers(0, 599),
    code=TEXTS,
    body_hash=TEXTS,
    changed_fields=st.lists(TEXTS, max_size=3).map(tuple),
    details=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@dataclass(frozen=True)
class Export:
    """An exported chain.

    Attributes:
        lines: Opening, records, head; each with its end.
        head: The head.
    """

    lines: tuple[bytes, ...]
    head: Head

    @property
    def records(self) -> tuple[bytes, ...]:
        return self.lines[1:-1]

    def with_records(self, records: Sequence[bytes]) -> tuple[bytes, ...]:
        return (self.lines[0], *records, self.lines[-1])


def export_of(
    entries: Sequence[Entry], *, first: int = 1, base: bytes = GENESIS, signer: Signer = SIGNER
) -> Export:
    """The export of a chain of such entries."""
    sequence, last = first - 1, base
    lines = [encoded({"chain": str(CHAIN), "first": first, "baseHash": base.hex()})]
    for entry in entries:
        sequence += 1
        fields = as_fields(CHAIN, sequence, entry)
        last = hash_after(last, fields)
        lines.append(encoded({**fields, "hash": last.hex()}))
    head = signer.head(CHAIN, sequence, last)
    lines.append(encoded(head.as_fields()))
    return Export(tuple(line + b"\n" for line in lines), head)


def found_by_the_command(lines: Sequence[bytes], kept: Head | None = None) -> int | None:
    """Number of the first bad record, as `osr audit` finds it."""
    walk = AuditWalk(kept.as_fields() if kept is not None else None)
    for line in lines_of([b"".join(lines)]):
        walk.take(line)
    finding = walk.finish()
    return None if finding is None else finding.sequence


def found_by_the_coordinator(lines: Sequence[bytes], kept: Head | None = None) -> int | None:
    """The same, as the coordinator finds it in its database."""
    opening, *records, end = (json.loads(line) for line in lines)
    start = Start(UUID(opening["chain"]), opening["first"], bytes.fromhex(opening["baseHash"]))
    walk = Verification(start, kept)
    for record in records:
        stated = bytes.fromhex(record.pop("hash"))
        walk.take(record, stated)
    finding = walk.finish(_head(end), SIGNER.public)
    return None if finding is None else finding.sequence


def _head(told: Mapping[str, Any]) -> Head:
    return Head(
        UUID(told["chain"]),
        told["sequence"],
        bytes.fromhex(told["hash"]),
        bytes.fromhex(told["publicKey"]),
        bytes.fromhex(told["signature"]),
    )


Verifier = Callable[..., int | None]
VERIFIERS: tuple[Verifier, ...] = (found_by_the_command, found_by_the_coordinator)


def entry(number: int) -> Entry:
    """One that can be told from others."""
    return Entry(
        at=datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=number),
        action="Microsoft.RecoveryServices/vaults/write",
        outcome=Outcome.SUCCEEDED,
        principal_name=f"somebody {number}",
    )
