"""Verifying an exported audit line by line, in constant memory, without the coordinator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# What is signed of a head begins so; deploy/docs/audit.md describes the format.
PURPOSE = b"opensiterecovery audit head 1\n"
GENESIS = bytes(32).hex()
CUT = "OpenSiteRecovery/audit/cut/action"
BROKEN = "OpenSiteRecovery/audit/broken/action"
# A record has texts of some thousand characters; nothing longer is read into memory.
LONGEST_LINE_BYTES = 1024 * 1024

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What is wrong with an audit.

    Attributes:
        sequence: Number of the first record that is not as it was written, or missing.
        problem: A sentence.
    """

    sequence: int
    problem: str


class UnreadableError(Exception):
    """A line is not as the coordinator writes lines."""


class AuditWalk:
    """Takes the lines of an export; the first thing wrong ends it."""

    def __init__(self, kept: Fields | None = None) -> None:
        """Begins a walk.

        Args:
            kept: A head somebody put aside: the audit must still have its record, and be signed
                with its key.
        """
        self._kept = kept
        self._opening: Fields | None = None
        self._hash = GENESIS
        self._cut: tuple[Any, Any] = None, None
        self.next = 1
        self.head: Fields | None = None
        self.finding: Finding | None = None

    def take(self, line: bytes) -> None:
        """Looks at the next line."""
        if self.finding is not None:
            return
        try:
            problem = self._problem(_read(line))
        except UnreadableError as error:
            problem = str(error)
        if problem:
            self.finding = Finding(self.next, problem)

    def _problem(self, fields: Fields) -> str:
        if self.head is not None:
            return "Something follows the head of the audit."
        if self._opening is None:
            return self._open(fields)
        if "signature" in fields:
            self.head = fields
            return ""
        return self._take_record(fields)

    def _open(self, fields: Fields) -> str:
        first, base = fields.get("first"), fields.get("baseHash")
        if set(fields) != {"chain", "first", "baseHash"}:
            return "The first line is not the opening of an audit."
        if not isinstance(first, int) or not isinstance(base, str) or not _is_hash(base):
            return "The opening of the audit was changed."
        self._opening, self._hash, self.next = fields, base, first
        return ""

    def _take_record(self, fields: Fields) -> str:
        record = {name: value for name, value in fields.items() if name != "hash"}
        if record.get("chain") != self._chain:
            return "The record is another chain's."
        if record.get("sequence") != self.next:
            return f"Number {record.get('sequence')} is in the place of record {self.next}."
        stated = fields.get("hash")
        if sha256(bytes.fromhex(self._hash) + encoded(record)).hexdigest() != stated:
            return "The record was changed: its hash does not fit."
        if self._kept_here != stated and self._kept_here is not None:
            return "The record is not the one that the kept head was of."
        if record.get("action") == BROKEN:
            return "Here the coordinator found the end of the chain altered."
        if record.get("action") == CUT:
            details = record.get("details") or {}
            self._cut = details.get("first"), details.get("baseHash")
        self._hash = str(stated)
        self.next += 1
        return ""

    @property
    def _kept_here(self) -> object:
        """Hash of the next record, if a head of it was kept."""
        if self._kept is None or self._kept.get("sequence") != self.next:
            return None
        return self._kept.get("hash")

    @property
    def _chain(self) -> object:
        return self._opening.get("chain") if self._opening is not None else None

    def finish(self) -> Finding | None:
        """Ends the walk; gives the first thing wrong, None when nothing is."""
        if self.finding is None:
            problem = self._wrong_head() or self._wrong_against_kept()
            self.finding = Finding(self.next, problem) if problem else self._wrong_start()
        return self.finding

    def _wrong_head(self) -> str:
        head = self.head
        if head is None or self._opening is None:
            return "The end of the audit is missing."
        if not is_signed(head) or head.get("chain") != self._chain:
            return "The head of the audit was changed: its signature does not fit."
        if head["sequence"] != self.next - 1 or head["hash"] != self._hash:
            return f"The audit ends at {self.next - 1}, its head at {head['sequence']}."
        return ""

    def _wrong_against_kept(self) -> str:
        kept, head = self._kept, self.head
        if kept is None or head is None:
            return ""
        if kept.get("chain") != self._chain:
            return "The kept head is another chain's."
        if kept.get("publicKey") != head["publicKey"]:
            return "The audit was signed with another key than the kept head."
        if kept["sequence"] > self.next - 1:
            return f"The audit ends at {self.next - 1}, and at {kept['sequence']} when it was kept."
        return ""

    def _wrong_start(self) -> Finding | None:
        if self._opening is None:
            return None
        first, base = self._opening["first"], self._opening["baseHash"]
        if (first, base) == (1, GENESIS) or self._cut == (str(first), base):
            return None
        return Finding(1, f"The records before {first} are missing, and no record tells of a cut.")


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a stream of bytes, each with its end; the last may have none."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > LONGEST_LINE_BYTES:
            break
    if rest:
        yield rest


def encoded(fields: Fields) -> bytes:
    """The one way the coordinator writes a line: JSON in ASCII, sorted, without spaces."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def is_signed(head: Fields) -> bool:
    """Whether a head's signature fits the key it names."""
    told = {name: head.get(name) for name in ("chain", "sequence", "hash")}
    key, signature = str(head.get("publicKey")), str(head.get("signature"))
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(signature), PURPOSE + encoded(told))
    except (InvalidSignature, ValueError):
        return False
    # Capital digits would mean the same.
    return key == key.lower() and signature == signature.lower()


def _read(line: bytes) -> Fields:
    try:
        fields = json.loads(line)
        if isinstance(fields, dict) and encoded(fields) + b"\n" == line:
            return fields
    except (ValueError, RecursionError):
        pass
    raise UnreadableError("The line is not as it was written.")


def _is_hash(text: str) -> bool:
    try:
        return bytes.fromhex(text).hex() == text and len(text) == len(GENESIS)
    except ValueError:
        return False
