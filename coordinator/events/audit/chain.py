"""The chain's rules: how a record is written down, and how its hash follows from the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID

# Before the first record of a chain.
GENESIS = bytes(32)

# Records the audit makes about itself.
CUT = "OpenSiteRecovery/audit/cut/action"
BROKEN = "OpenSiteRecovery/audit/broken/action"
# What a cut says in its details: the oldest record that stays, and the hash before it.
CUT_FIRST = "first"
CUT_BASE = "baseHash"

# A record as it is hashed, shown and exported; what is empty is left out, so that a field of a
# later version changes no record of an earlier one.
Fields: TypeAlias = dict[str, object]


class Outcome(StrEnum):
    """What became of a request."""

    SUCCEEDED = "Succeeded"
    # A job goes on with it.
    ACCEPTED = "Accepted"
    # Written before it is done, because it is done in several transactions.
    BEGUN = "Begun"
    # The caller may not, or nobody knows who it is.
    DENIED = "Denied"
    # The caller may, but the value or the state of the object does not allow it.
    REFUSED = "Refused"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that happened.

    Attributes:
        at: When.
        action: Azure Resource Manager's name of it, or one that begins with "OpenSiteRecovery/".
        outcome: What became of it: an `Outcome`, unless somebody altered it.
        principal_id, principal_type, principal_name: Who; empty when nobody knows.
        address: Network address it came from; of a proxy, when there is one.
        resource: On what: a resource id, or the address asked for.
        status: HTTP status; 0 when it did not come by HTTP.
        code: Of the error; empty when there was none.
        activity_id: The request's id.
        correlation_id: What the log and the job have too.
        client_request_id: The id the client gave it.
        job: Name of the job that goes on with it.
        body_hash: SHA-256 of the request's body.
        changed_fields: Names of the body's fields; never their values.
        details: What this kind of record tells besides.
    """

    at: datetime
    action: str
    outcome: str
    principal_id: str = ""
    principal_type: str = ""
    principal_name: str = ""
    address: str = ""
    resource: str = ""
    status: int = 0
    code: str = ""
    activity_id: str = ""
    correlation_id: str = ""
    client_request_id: str = ""
    job: str = ""
    body_hash: str = ""
    changed_fields: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


def as_fields(chain: UUID, sequence: int, entry: Entry) -> Fields:
    """A record as it is hashed.

    Args:
        chain: The chain's id; a record of one chain fits into no other.
        sequence: Its number in the chain, from 1.
        entry: What it tells.
    """
    optional: Fields = {
        "principalId": entry.principal_id,
        "principalType": entry.principal_type,
        "principalName": entry.principal_name,
        "address": entry.address,
        "resource": entry.resource,
        "status": entry.status,
        "code": entry.code,
        "activityId": entry.activity_id,
        "correlationId": entry.correlation_id,
        "clientRequestId": entry.client_request_id,
        "job": entry.job,
        "bodyHash": entry.body_hash,
        "changedFields": list(entry.changed_fields),
        "details": dict(entry.details),
    }
    return {
        "chain": str(chain),
        "sequence": sequence,
        "time": written(entry.at),
        "action": entry.action,
        "outcome": str(entry.outcome),
        **{name: value for name, value in optional.items() if value},
    }


def written(time: datetime) -> str:
    """A time, always with six digits of fraction."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encoded(fields: Mapping[str, object]) -> bytes:
    """The one way to write fields down: JSON in ASCII, sorted, without spaces."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def hash_after(previous: bytes, fields: Fields) -> bytes:
    """SHA-256 over the hash of the record before and the record itself."""
    return sha256(previous + encoded(fields)).digest()
