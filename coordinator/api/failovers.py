"""Routes of the failover family of single machines, and of what a machine allows."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ItemPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.bodies import words
from coordinator.api.paths import PROTECTED_ITEM, RECOVERY_POINT
from coordinator.api.protected_items import require_item
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins, shows
from coordinator.api.shapes.envelope import ArmId
from coordinator.api.shapes.item_operations import ItemOperations, item_operations
from coordinator.api.shapes.protected_items import protected_item_id
from coordinator.failures import refuse
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import running_jobs
from coordinator.protection.states import FailoverDirection
from coordinator.recovery import services as recovery
from coordinator.recovery.services import (
    ChangePointOptions,
    RecoveryTag,
    UnplannedFailoverOptions,
)

router = Router()

REQUIRED, NOT_REQUIRED = "Required", "NotRequired"


class PointInput(RequestPart):
    """Which recovery point, in the words of ASR's providers; what they add means nothing here."""

    recoveryPointId: ArmId | None = None  # noqa: N815 - the API's name
    recoveryTag: Annotated[str, words(*RecoveryTag)] | None = None  # noqa: N815 - the API's name


class FailoverInputProperties(RequestPart):
    """Which way; clients of ASR add provider-specific words, which mean nothing here."""

    failoverDirection: Annotated[str, words(*FailoverDirection)] | None = None  # noqa: N815 - the API's name


class FailoverInput(RequestPart):
    """A planned failover or a reversal."""

    properties: FailoverInputProperties = FailoverInputProperties()


class UnplannedFailoverInputProperties(FailoverInputProperties):
    """Also what is tried at the source, and to which point."""

    sourceSiteOperations: Annotated[str, words(REQUIRED, NOT_REQUIRED)] | None = None  # noqa: N815 - the API's name
    providerSpecificDetails: PointInput | None = None  # noqa: N815 - the API's name


class UnplannedFailoverInput(RequestPart):
    """An unplanned failover."""

    properties: UnplannedFailoverInputProperties = UnplannedFailoverInputProperties()


class ApplyRecoveryPointInputProperties(RequestPart):
    """Which recovery point a failed-over machine is taken to."""

    recoveryPointId: ArmId | None = None  # noqa: N815 - the API's name
    providerSpecificDetails: PointInput | None = None  # noqa: N815 - the API's name


class ApplyRecoveryPointInput(RequestPart):
    """A change of recovery point."""

    properties: ApplyRecoveryPointInputProperties = ApplyRecoveryPointInputProperties()


@router.get(f"{PROTECTED_ITEM}/operations", response=shows(ItemOperations))
@served
def list_operations(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Every operation of an item: whether it is allowed, and if not, why and what would allow it.

    Beyond ASR, which names those allowed.
    """
    call = open_vault(request, path)
    item = require_item(call, path)
    return {"value": item_operations(item, running_jobs([item.id]).get(item.id))}


@router.post(f"{PROTECTED_ITEM}/plannedFailover", response=begins())
@served
def planned_failover(
    request: HttpRequest, path: Path[ItemPath], body: FailoverInput | None = None
) -> Answer:
    """Begins a planned failover, away from where the machine runs."""
    call = open_vault(request, path)
    item = require_item(call, path)
    direction = read_direction(body.properties if body else None)
    item_id = protected_item_id(call.ids, item)
    job = recovery.planned_failover(item, direction, call.origin(item_id), call.now)
    return accepted(call, item_id, job)


@router.post(f"{PROTECTED_ITEM}/unplannedFailover", response=begins())
@served
def unplanned_failover(
    request: HttpRequest, path: Path[ItemPath], body: UnplannedFailoverInput | None = None
) -> Answer:
    """Begins a failover that does not count on the side the machine runs on."""
    call = open_vault(request, path)
    item = require_item(call, path)
    wanted = UnplannedFailoverInputProperties() if body is None else body.properties
    point = wanted.providerSpecificDetails or PointInput()
    options = UnplannedFailoverOptions(
        direction=read_direction(wanted),
        source_site_operations=read_source_site_operations(wanted.sourceSiteOperations),
        recovery_tag=read_tag(point.recoveryTag),
        recovery_point_id=read_point(call, item, point.recoveryPointId),
    )
    item_id = protected_item_id(call.ids, item)
    job = recovery.unplanned_failover(item, options, call.origin(item_id), call.now)
    return accepted(call, item_id, job)


@router.post(f"{PROTECTED_ITEM}/applyRecoveryPoint", response=begins())
@served
def apply_recovery_point(
    request: HttpRequest, path: Path[ItemPath], body: ApplyRecoveryPointInput
) -> Answer:
    """Begins to take a failed-over machine to another recovery point."""
    call = open_vault(request, path)
    item = require_item(call, path)
    wanted = body.properties
    more = wanted.providerSpecificDetails or PointInput()
    tag = read_tag(more.recoveryTag)
    point_id = read_point(call, item, more.recoveryPointId)
    point_id = read_point(call, item, wanted.recoveryPointId) or point_id
    if not point_id and not more.recoveryTag:
        raise refuse(
            "RecoveryPointMissing",
            "The request names no recovery point.",
            causes=["recoveryPointId is missing, and so is a recoveryTag in its place."],
            action="Give recoveryPointId as the id of one of the item's recovery points.",
            field="recoveryPointId",
        )
    options = ChangePointOptions(recovery_tag=tag, recovery_point_id=point_id)
    item_id = protected_item_id(call.ids, item)
    job = recovery.change_recovery_point(item, options, call.origin(item_id), call.now)
    return accepted(call, item_id, job)


@router.post(f"{PROTECTED_ITEM}/failoverCommit", response=begins())
@served
def failover_commit(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Begins the commit of a failover."""
    call = open_vault(request, path)
    item = require_item(call, path)
    item_id = protected_item_id(call.ids, item)
    return accepted(call, item_id, recovery.commit_failover(item, call.origin(item_id), call.now))


@router.post(f"{PROTECTED_ITEM}/failoverCancel", response=begins())
@served
def failover_cancel(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Begins to take a failover back."""
    call = open_vault(request, path)
    item = require_item(call, path)
    item_id = protected_item_id(call.ids, item)
    return accepted(call, item_id, recovery.cancel_failover(item, call.origin(item_id), call.now))


@router.post(f"{PROTECTED_ITEM}/abandonFailover", response=begins())
@served
def abandon_failover(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Begins to bring a machine back without its failed-over copy, whose site is lost.

    Beyond ASR.
    """
    call = open_vault(request, path)
    item = require_item(call, path)
    item_id = protected_item_id(call.ids, item)
    return accepted(call, item_id, recovery.abandon_failover(item, call.origin(item_id), call.now))


@router.post(f"{PROTECTED_ITEM}/reProtect", response=begins())
@served
def reprotect(
    request: HttpRequest, path: Path[ItemPath], body: FailoverInput | None = None
) -> Answer:
    """Begins the reversal of replication."""
    call = open_vault(request, path)
    item = require_item(call, path)
    read_direction(body.properties if body else None)
    item_id = protected_item_id(call.ids, item)
    return accepted(call, item_id, recovery.reverse_replicate(item, call.origin(item_id), call.now))


def read_direction(wanted: FailoverInputProperties | None) -> FailoverDirection | None:
    """ASR's failoverDirection; None when the client leaves it to us.

    Raises:
        RefusedError: It is another word.
    """
    word = "" if wanted is None else wanted.failoverDirection or ""
    if not word:
        return None
    for direction in FailoverDirection:
        if direction.value.lower() == word.lower():
            return direction
    names = " or ".join(direction.value for direction in FailoverDirection)
    raise refuse(
        "InvalidFailoverDirection",
        f"The value '{word}' of failoverDirection is not allowed.",
        causes=[f"failoverDirection must be {names}."],
        action=f"Give failoverDirection as {names}.",
        field="failoverDirection",
    )


def read_tag(word: str | None) -> RecoveryTag:
    """ASR's recoveryTag; Latest when there is none.

    Raises:
        RefusedError: It is another word.
    """
    if not word:
        return RecoveryTag.LATEST
    for tag in RecoveryTag:
        if tag.value.lower() == word.lower():
            return tag
    names = ", ".join(tag.value for tag in RecoveryTag)
    raise refuse(
        "InvalidRecoveryTag",
        f"The value '{word}' of recoveryTag is not allowed.",
        causes=[f"recoveryTag must be one of {names}."],
        action="Give one of these, or a recoveryPointId.",
        field="recoveryTag",
    )


def read_point(call: Call, item: ProtectedItem, reference: str | None) -> str:
    """Hyper-V's id of the point that a request names by its resource id; empty for none.

    Raises:
        RefusedError: It is no id of a recovery point, or of another item's.
    """
    if not reference:
        return ""
    names = names_in_reference(call, RECOVERY_POINT, reference, "recoveryPointId")
    own = protected_item_id(call.ids, item).lower()
    if not reference.lower().startswith(f"{own}/"):
        raise refuse(
            "RecoveryPointOfAnotherItem",
            f"The recovery point {names['point_name']} is not one of {item.friendly_name}.",
            causes=["The id is of another protected item."],
            action="List the item's recovery points and use an id from the list.",
            field="recoveryPointId",
        )
    return names["point_name"]


def read_source_site_operations(given: str | None) -> bool:
    """ASR's sourceSiteOperations: whether the source is shut down first; not, by default.

    Raises:
        RefusedError: It is another word.
    """
    word = given or NOT_REQUIRED
    if word.lower() not in {REQUIRED.lower(), NOT_REQUIRED.lower()}:
        raise refuse(
            "InvalidSourceSiteOperations",
            f"The value '{word}' of sourceSiteOperations is not allowed.",
            causes=[f"sourceSiteOperations must be {REQUIRED} or {NOT_REQUIRED}."],
            action=f"Give sourceSiteOperations as {REQUIRED} or {NOT_REQUIRED}.",
            field="sourceSiteOperations",
        )
    return word.lower() == REQUIRED.lower()
