"""Records of the audit in answers."""

from __future__ import annotations

from typing import NotRequired, cast

from typing_extensions import TypedDict

from coordinator.api.paths import AUDIT_RECORD, VaultId
from coordinator.api.shapes.envelope import ArmId, Envelope, Time, resource
from coordinator.events.audit.queries import shown
from coordinator.events.models import AuditRecord


class AuditProperties(TypedDict):
    """A record, as it is hashed, and its hash; what is empty is left out."""

    chain: str
    sequence: int
    time: Time
    action: str
    outcome: str
    hash: str
    principalId: NotRequired[str]
    principalType: NotRequired[str]
    principalName: NotRequired[str]
    address: NotRequired[str]
    resource: NotRequired[ArmId]
    status: NotRequired[int]
    code: NotRequired[str]
    activityId: NotRequired[str]
    correlationId: NotRequired[str]
    clientRequestId: NotRequired[str]
    job: NotRequired[str]
    bodyHash: NotRequired[str]
    changedFields: NotRequired[list[str]]
    details: NotRequired[dict[str, str]]


class AuditRecordResource(Envelope):
    """What somebody did, or was denied."""

    properties: AuditProperties


class AuditHead(TypedDict):
    """Where a chain ends: number and hash of its last record, signed."""

    chain: str
    sequence: int
    hash: str
    publicKey: str
    signature: str


def audit_record_resource(ids: VaultId, record: AuditRecord) -> AuditRecordResource:
    record_id = ids.child(AUDIT_RECORD, record_name=str(record.sequence))
    return resource(record_id, cast("AuditProperties", shown(record)))
