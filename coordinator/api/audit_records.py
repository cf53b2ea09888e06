"""Routes of a vault's audit: reading it, taking it away to verify it, and its signed end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Path, Router

from coordinator.api.addresses import RecordPath, VaultPath
from coordinator.api.auditing import recorder
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.filters import parse_filter, parse_time, unknown_value
from coordinator.api.openapi.parameters import filters, sending, taking
from coordinator.api.paging import page
from coordinator.api.paths import AUDIT_RECORD, VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.audit import AuditHead, AuditRecordResource, audit_record_resource
from coordinator.api.threads import database_threads
from coordinator.events.audit import queries as audit
from coordinator.events.audit.queries import AuditFilters, Exported
from coordinator.events.audit.services import Outcome, chain_of_vault, encoded
from coordinator.events.models import AuditChain

router = Router()

LINES = "application/x-ndjson"
LONGEST_NUMBER = 18
# Names in $filter, and the columns they mean.
TEXTS = {
    "principalId": "principal_id",
    "principalName": "principal_name",
    "address": "address",
    "action": "action",
    "resource": "resource",
    "code": "code",
    "activityId": "activity_id",
    "correlationId": "correlation_id",
    "clientRequestId": "client_request_id",
    "job": "job",
}
FILTERS = (*TEXTS, "outcome", "status", "startTime", "endTime")


@router.post(f"{VAULT}/auditRecords/export", response={200: None}, openapi_extra=sending(LINES))
@served
def export_audit(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """The whole chain as JSON lines: an opening, the records from the oldest on, the signed head.

    Records that are made meanwhile are not in it.
    """
    call = open_vault(request, path)
    chain = _chain(call)
    response = StreamingHttpResponse(_lines(audit.exported(chain)), content_type=LINES)
    response["Content-Disposition"] = f'attachment; filename="audit-{chain.id}.jsonl"'
    response["Cache-Control"] = "no-store"
    return response


@router.get(
    f"{VAULT}/auditRecords",
    response=lists(AuditRecordResource),
    openapi_extra=taking(filters(FILTERS)),
)
@served
def list_audit(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Records, newest first."""
    call = open_vault(request, path)
    wanted = read_filters(parse_filter(request.GET.get("$filter", ""), FILTERS))
    rows = audit.records_of(call.vault.id, wanted)
    return page(
        request,
        lambda start, end: rows[start:end],
        lambda record: audit_record_resource(call.ids, record),
    )


@router.get(AUDIT_RECORD, response=shows(AuditRecordResource))
@served
def get_audit_record(request: HttpRequest, path: Path[RecordPath]) -> Answer:
    call = open_vault(request, path)
    name = path.record_name
    number = int(name) if name.isdecimal() and len(name) <= LONGEST_NUMBER else 0
    record = audit.find_record(call.vault.id, number)
    if record is None:
        raise NotFoundError(call.ids.child(AUDIT_RECORD, record_name=name))
    return audit_record_resource(call.ids, record)


@router.get(f"{VAULT}/auditHead", response=shows(AuditHead))
@served
def get_audit_head(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Where the chain ends now: to be put aside, so that a shorter chain is found out later."""
    return _chain(open_vault(request, path)).head.as_fields()


def _chain(call: Call) -> AuditChain:
    """The vault's chain; that of a vault from before the audit is begun."""
    known = audit.find_chain(call.vault.id)
    if known is not None:
        return known
    return recorder().begun(chain_of_vault(call.vault))


async def _lines(export: Exported) -> AsyncIterator[bytes]:
    """A part of the records is in memory at a time, and no transaction is open meanwhile."""
    yield encoded(export.opening) + b"\n"
    after = export.start.first - 1
    while found := await database_threads.run(partial(audit.next_records, export, after)):
        yield b"".join(encoded(audit.shown(record)) + b"\n" for record in found)
        after = found[-1].sequence
    yield encoded(export.head.as_fields()) + b"\n"


def read_filters(given: Mapping[str, str]) -> AuditFilters:
    """What the filter's words mean.

    Raises:
        RefusedError: A time, an outcome or a status is none.
    """
    texts: dict[str, Any] = {column: given.get(name, "") for name, column in TEXTS.items()}
    outcomes = {outcome.lower(): outcome.value for outcome in Outcome}
    outcome, status = given.get("outcome", ""), given.get("status", "")
    if outcome and outcome.lower() not in outcomes:
        raise unknown_value("outcome", outcome, outcomes.values())
    if status and not (status.isascii() and status.isdecimal() and len(status) == 3):
        raise unknown_value("status", status, ["200", "403", "any other of HTTP"])
    return AuditFilters(
        **texts,
        outcome=outcomes.get(outcome.lower(), ""),
        status=int(status) if status else None,
        since=parse_time("startTime", given["startTime"]) if "startTime" in given else None,
        until=parse_time("endTime", given["endTime"]) if "endTime" in given else None,
    )
