"""Verifying a chain: one walk over it, oldest record first, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from coordinator.events.audit.chain import (
    BROKEN,
    CUT,
    CUT_BASE,
    CUT_FIRST,
    GENESIS,
    Fields,
    hash_after,
)
from coordinator.events.audit.heads import Head, is_signed


@dataclass(frozen=True)
class Start:
    """Where a walk begins.

    Attributes:
        chain: The chain's id.
        first: Number of the oldest record that was kept.
        base: Hash of the one before.
    """

    chain: UUID
    first: int = 1
    base: bytes = GENESIS


@dataclass(frozen=True)
class Finding:
    """What is wrong with a chain.

    Attributes:
        sequence: Number of the first record that is not as it was written, or missing.
        problem: A sentence.
    """

    sequence: int
    problem: str


class Verification:
    """Takes the records of a chain one by one; the first thing wrong ends it."""

    def __init__(self, start: Start, kept: Head | None = None) -> None:
        """Begins a walk.

        Args:
            start: Where.
            kept: A head somebody put aside; the chain must still have its record.
        """
        self._start = start
        self._kept = kept
        self._hash = start.base
        self._cut: tuple[str, str] | None = None
        self.next = start.first
        self.finding: Finding | None = None

    def take(self, fields: Fields, stated_hash: bytes) -> None:
        """Looks at the next record."""
        if self.finding is not None:
            return
        problem = self._problem(fields, stated_hash)
        if problem:
            self.finding = Finding(self.next, problem)
            return
        self._hash = stated_hash
        self.next += 1
        details = fields.get("details")
        if fields["action"] == CUT and isinstance(details, Mapping):
            self._cut = str(details.get(CUT_FIRST)), str(details.get(CUT_BASE))

    def _problem(self, fields: Fields, stated_hash: bytes) -> str:
        if fields.get("chain") != str(self._start.chain):
            return "The record is another chain's."
        if fields.get("sequence") != self.next:
            return (
                f"Record {self.next} is missing: number {fields.get('sequence')} is in its place."
            )
        if hash_after(self._hash, fields) != stated_hash:
            return "The record was changed: its hash does not fit."
        kept = self._kept
        if kept is not None and kept.sequence == self.next and kept.hash != stated_hash:
            return "The record is not the one that the kept head was of."
        if fields.get("action") == BROKEN:
            return "Here the coordinator found the end of the chain altered."
        return ""

    def finish(self, head: Head, key: bytes) -> Finding | None:
        """Ends the walk.

        Args:
            head: Where the chain says to end.
            key: The public key that head must have been signed with.

        Returns:
            The first thing wrong; None when nothing is.
        """
        if self.finding is None:
            self.finding = self._wrong_end(head, key) or self._wrong_start()
        return self.finding

    def _wrong_end(self, head: Head, key: bytes) -> Finding | None:
        last = self.next - 1
        if not is_signed(head, key) or head.chain != self._start.chain:
            return Finding(self.next, "The head of the chain was not signed with the audit's key.")
        if head.sequence > last:
            return Finding(self.next, f"The chain ends at {last}, its head at {head.sequence}.")
        if head.sequence < last or head.hash != self._hash:
            return Finding(head.sequence + 1, "The chain does not end where its head says.")
        if self._kept is not None and self._kept.chain != self._start.chain:
            return Finding(self._start.first, "The kept head is another chain's.")
        if self._kept is not None and self._kept.sequence > last:
            problem = f"The chain ends at {last}, and at {self._kept.sequence} when it was kept."
            return Finding(self.next, problem)
        return None

    def _wrong_start(self) -> Finding | None:
        first, base = self._start.first, self._start.base
        if first == 1 and base == GENESIS:
            return None
        if self._cut == (str(first), base.hex()):
            return None
        return Finding(1, f"The records before {first} are missing, and no record tells of a cut.")
