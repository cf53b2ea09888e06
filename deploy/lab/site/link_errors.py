"""Why a connection between two hosts, or a request over it, failed."""

from __future__ import annotations

from enum import StrEnum


class LinkFailure(StrEnum):
    """Kinds of failure; what each means for retrying stands in ``RECOVERABLE``."""

    CANNOT_CONNECT = "cannot-connect"
    NAME_NOT_RESOLVED = "name-not-resolved"
    ABORTED = "aborted"
    SECURITY = "security"
    UNAUTHORIZED = "unauthorized"
    INVALID_STATE = "invalid-state"
    NOT_FOUND = "not-found"
    OUT_OF_SEQUENCE = "out-of-sequence"
    DAMAGED = "damaged"
    STORAGE_FULL = "storage-full"
    STORAGE = "storage"
    BOUNDS = "bounds"
    PAUSED = "paused"
    REFUSED = "refused"


# Network and space come back by themselves; the rest needs somebody (hyper-v-azure-architecture).
RECOVERABLE = frozenset(
    {
        LinkFailure.CANNOT_CONNECT,
        LinkFailure.NAME_NOT_RESOLVED,
        LinkFailure.ABORTED,
        LinkFailure.STORAGE_FULL,
        LinkFailure.PAUSED,
    }
)

# Only a resynchronisation helps after these.
NEEDS_RESYNCHRONIZATION = frozenset({LinkFailure.OUT_OF_SEQUENCE, LinkFailure.DAMAGED})

# WinHTTP's texts and numbers: 12029, 12007, 12030, 12175 (secure failure).
_TEXTS = {
    LinkFailure.CANNOT_CONNECT: "A connection with the server could not be established "
    "(0x00002EFD).",
    LinkFailure.NAME_NOT_RESOLVED: "The server name or address could not be resolved (0x00002EE7).",
    LinkFailure.ABORTED: "The connection with the server was terminated abnormally (0x00002EFE).",
    LinkFailure.SECURITY: "A security error occurred (0x00002F8F).",
}


class LinkError(Exception):
    """A failure between two hosts.

    Args:
        failure: Its kind.
        detail: What is known besides, a sentence.
    """

    def __init__(self, failure: LinkFailure, detail: str = "") -> None:
        text = " ".join(part for part in (_TEXTS.get(failure, ""), detail) if part)
        super().__init__(text)
        self.failure = failure
        self.text = text

    @property
    def recoverable(self) -> bool:
        return self.failure in RECOVERABLE

    @property
    def needs_resynchronization(self) -> bool:
        return self.failure in NEEDS_RESYNCHRONIZATION
