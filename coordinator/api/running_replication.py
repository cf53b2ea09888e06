"""Routes of what is done to a replication as it runs, and of how its RPO went.

Repairing and changing disks are ASR's; pausing, resuming, resynchronizing and the history are ours,
in its style.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ItemPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.parameters import in_query, taking
from coordinator.api.paths import PROTECTED_ITEM
from coordinator.api.protected_items import item_resource, require_item
from coordinator.api.responses import begins, shows
from coordinator.api.shapes.envelope import written_time
from coordinator.api.shapes.protected_items import ProtectedItemResource, protected_item_id
from coordinator.api.shapes.running_replication import RpoHistory
from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import rpo_course
from coordinator.protection.rules import InstanceType, Window
from coordinator.protection.services import (
    RequestOrigin,
    change_automatic_resynchronization,
    change_disks,
    pause_replication,
    repair_replication,
    resume_replication,
    resynchronize,
    schedule_resynchronization,
)

router = Router()

# Nothing older is kept.
LONGEST_COURSE = timedelta(days=31)
MOST_DISKS = 64
FROM = in_query("from", "When the course begins; a day before its end.", format="date-time")
TO = in_query("to", "When the course ends; now.", format="date-time")


class DisksDetails(RequestPart):
    """Which disks: the SDK has no class of them for Hyper-V, but takes JSON."""

    instanceType: str | None = None  # noqa: N815 - the API's name
    vhdIds: list[str] = []  # noqa: N815, RUF012 - the API's name; pydantic copies it


class DisksProperties(RequestPart):
    providerSpecificDetails: DisksDetails  # noqa: N815 - the API's name


class DisksInput(RequestPart):
    """Disks to add to replication, or to take out."""

    properties: DisksProperties


class ResynchronizeProperties(RequestPart):
    """When; nothing means now, an empty text that it is no longer wanted."""

    startTime: str | None = None  # noqa: N815 - the API's name


class ResynchronizeInput(RequestPart):
    properties: ResynchronizeProperties = ResynchronizeProperties()


class AutomaticProperties(RequestPart):
    """Whether Hyper-V may, and from when until when, in the local time of the machine's host."""

    enabled: bool
    startTime: str | None = None  # noqa: N815 - the API's name
    endTime: str | None = None  # noqa: N815 - the API's name


class AutomaticInput(RequestPart):
    properties: AutomaticProperties


@router.post(f"{PROTECTED_ITEM}/repairReplication", response=begins())
@served
def repair(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Resumes or resynchronizes, whichever the item needs."""
    call = open_vault(request, path)
    item = require_item(call, path)
    return _accepted(call, item, repair_replication(item, _origin(call, item), call.now))


@router.post(f"{PROTECTED_ITEM}/pauseReplication", response=begins())
@served
def pause(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Pauses replication; changes are tracked meanwhile."""
    call = open_vault(request, path)
    item = require_item(call, path)
    return _accepted(call, item, pause_replication(item, _origin(call, item), call.now))


@router.post(f"{PROTECTED_ITEM}/resumeReplication", response=begins())
@served
def resume(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Lets replication go on."""
    call = open_vault(request, path)
    item = require_item(call, path)
    return _accepted(call, item, resume_replication(item, _origin(call, item), call.now))


@router.post(f"{PROTECTED_ITEM}/resynchronize", response=begins(or_shows=ProtectedItemResource))
@served
def begin_resynchronization(
    request: HttpRequest, path: Path[ItemPath], body: ResynchronizeInput | None = None
) -> Answer:
    """Compares both copies anew, now or at a time; a time is only kept, and shown on the item."""
    call = open_vault(request, path)
    item = require_item(call, path)
    origin = _origin(call, item)
    at = None if body is None else body.properties.startTime
    if at is None:
        return _accepted(call, item, resynchronize(item, origin, call.now))
    moment = _moment(at, "startTime") if at else None
    schedule_resynchronization(item, moment, origin, call.now)
    return item_resource(call, require_item(call, path))


@router.post(f"{PROTECTED_ITEM}/automaticResynchronization", response=begins())
@served
def set_automatic_resynchronization(
    request: HttpRequest, path: Path[ItemPath], body: AutomaticInput
) -> Answer:
    """Has Hyper-V compare by itself within a window of the day when it must, or never."""
    call = open_vault(request, path)
    item = require_item(call, path)
    job = change_automatic_resynchronization(
        item, _window(body.properties), _origin(call, item), call.now
    )
    return _accepted(call, item, job)


@router.post(f"{PROTECTED_ITEM}/addDisks", response=begins())
@served
def add_disks(request: HttpRequest, path: Path[ItemPath], body: DisksInput) -> Answer:
    """Adds disks of the machine to replication."""
    call = open_vault(request, path)
    item = require_item(call, path)
    job = change_disks(item, _origin(call, item), call.now, add=_disks(body))
    return _accepted(call, item, job)


@router.post(f"{PROTECTED_ITEM}/removeDisks", response=begins())
@served
def remove_disks(request: HttpRequest, path: Path[ItemPath], body: DisksInput) -> Answer:
    """Takes disks of the machine out of replication."""
    call = open_vault(request, path)
    item = require_item(call, path)
    job = change_disks(item, _origin(call, item), call.now, remove=_disks(body))
    return _accepted(call, item, job)


@router.get(
    f"{PROTECTED_ITEM}/rpoHistory", response=shows(RpoHistory), openapi_extra=taking(FROM, TO)
)
@served
def get_rpo_history(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """How RPO went: in spans of five minutes within a day, in hours within 30 days."""
    call = open_vault(request, path)
    item = require_item(call, path)
    end = _moment(request.GET.get("to", ""), "to") if request.GET.get("to") else call.now
    begin = (
        _moment(request.GET.get("from", ""), "from")
        if request.GET.get("from")
        else end - timedelta(days=1)
    )
    if not begin < end:
        raise refuse(
            "InvalidTimeRange",
            f"The range from {begin.isoformat()} to {end.isoformat()} has no length.",
            causes=["from must be earlier than to."],
            action="Give from earlier than to, or leave both out for the last day.",
            field="from",
        )
    course = rpo_course(item, max(begin, end - LONGEST_COURSE), end, call.now)
    return {
        "from": written_time(begin),
        "to": written_time(end),
        "resolutionInSeconds": course.span // timedelta(seconds=1),
        "value": [
            {"time": written_time(point.time), "rpoInSeconds": point.seconds}
            for point in course.points
        ],
    }


def _accepted(call: Call, item: ProtectedItem, job: Job) -> Answer:
    return accepted(call, protected_item_id(call.ids, item), job)


def _origin(call: Call, item: ProtectedItem) -> RequestOrigin:
    return call.origin(protected_item_id(call.ids, item))


def _disks(body: DisksInput) -> list[str]:
    details = body.properties.providerSpecificDetails
    if details.instanceType not in {None, *InstanceType}:
        raise refuse(
            "InvalidInstanceType",
            f"The value '{details.instanceType}' of instanceType is not allowed.",
            causes=[f"instanceType must be {' or '.join(InstanceType)}."],
            action=f"Give instanceType as {' or '.join(InstanceType)}, or leave it out.",
            field="instanceType",
        )
    paths = details.vhdIds
    if not 1 <= len(paths) <= MOST_DISKS or not all(paths):
        raise refuse(
            "InvalidDisks",
            "vhdIds names no disks.",
            causes=[f"vhdIds must be a list of 1 to {MOST_DISKS} paths."],
            action="Give the paths of disks as the item shows them.",
            field="vhdIds",
        )
    return paths


def _moment(text: str, field: str) -> datetime:
    """A time of a request; without a zone it is UTC.

    Raises:
        RefusedError: It is none.
    """
    # "+" of a zone arrives as a space in an address.
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise _invalid_time(text, field, "a time such as 2026-01-31T22:00:00Z") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        raise _invalid_time(text, field, "a time such as 2026-01-31T22:00:00Z") from None


def _window(given: AutomaticProperties) -> Window | None:
    if not given.enabled:
        return None
    usual = Window()
    return Window(
        _seconds(given.startTime, "startTime", usual.start_seconds),
        _seconds(given.endTime, "endTime", usual.end_seconds),
    )


def _seconds(text: str | None, field: str, usual: int) -> int:
    """Seconds since midnight of a time of day."""
    if text is None:
        return usual
    try:
        read = time.fromisoformat(text)
    except ValueError:
        raise _invalid_time(text, field, "a time of day such as 18:30") from None
    if read.tzinfo is not None:
        raise _invalid_time(text, field, "a time of day without a zone")
    return read.hour * 3600 + read.minute * 60 + read.second


def _invalid_time(text: str, field: str, allowed: str) -> RefusedError:
    return refuse(
        "InvalidTime",
        f"The value '{text}' of {field} is not allowed.",
        causes=[f"{field} must be {allowed}."],
        action=f"Give {field} as {allowed}.",
        field=field,
    )
