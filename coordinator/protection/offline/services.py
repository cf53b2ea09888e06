"""Operations on an offline first copy: import it, begin its export again."""

from __future__ import annotations

from datetime import datetime

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import begun_job, refuse_if_busy
from coordinator.jobs.steps import Graph
from coordinator.protection.inventory import provider_of
from coordinator.protection.item_jobs import ItemJob, begin_item_job
from coordinator.protection.models import OfflineCopy, ProtectedItem
from coordinator.protection.offline.facts import copy_facts
from coordinator.protection.offline.planner import (
    EXPORT_FRIENDLY_NAME,
    EXPORT_SCENARIO,
    IMPORT_FRIENDLY_NAME,
    IMPORT_SCENARIO,
    OfflineSnapshot,
    plan_export_again,
    plan_import,
)
from coordinator.protection.offline.rules import CopyFacts, Stage, stage_of, waits_for
from coordinator.protection.policies.rules import OFFLINE_PATH
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.sides import fabric_of_side, host_of_side
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.protection.transitions import item_lock, lock_item

# Stages in which there is something to import, and to export again.
IMPORTABLE = frozenset({Stage.WAITING_FOR_DATA, Stage.ARRIVING, Stage.READY_TO_IMPORT})
EXPORTABLE = frozenset({Stage.EXPORT_BROKEN_OFF})


def import_first_copy(
    item: ProtectedItem, origin: RequestOrigin, now: datetime, *, path: str = ""
) -> Job:
    """Begins the job that imports the first copy that was carried to the recovery side.

    The import begins by itself once the whole folder is at the policy's import path; this is for
    another path, or after a failure.

    Args:
        item: Its export is whole.
        origin: Who asks.
        now: The time.
        path: Where the folder is, as the recovery host names it; empty: the policy's import path.

    Raises:
        RefusedError: 532 while a job runs on the item; NoOfflineCopy, or OperationNotAllowed (409)
            while the export runs or after the import; InvalidImportPath (400).

    Idempotent: By the origin's client request id.

    Source: SPEC OF-1.
    """
    begun = begun_job(item.vault_id, IMPORT_SCENARIO, str(item.id), origin.client_request_id)
    if begun is not None:
        return begun
    if path and not OFFLINE_PATH.fullmatch(path):
        raise _wrong_path(path)
    refuse_if_busy(item_lock(item.id))
    copy = _copy_of(item)
    _refuse_unless(copy, IMPORTABLE, "imported")
    snapshot = _snapshot(copy, ActiveLocation.RECOVERY, path or copy.import_path)
    return _begin(copy, origin, now, (IMPORT_SCENARIO, IMPORT_FRIENDLY_NAME, plan_import(snapshot)))


def export_first_copy_again(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that exports the first copy anew, after its export was broken off.

    Raises:
        RefusedError: 532 while a job runs on the item; NoOfflineCopy, or OperationNotAllowed (409)
            while the export runs or once it is whole, which cannot be undone.

    Idempotent: By the origin's client request id.

    Source: SPEC OF-1.
    """
    begun = begun_job(item.vault_id, EXPORT_SCENARIO, str(item.id), origin.client_request_id)
    if begun is not None:
        return begun
    refuse_if_busy(item_lock(item.id))
    copy = _copy_of(item)
    _refuse_unless(copy, EXPORTABLE, "exported again")
    snapshot = _snapshot(copy, ActiveLocation.PRIMARY, copy.export_path)
    graph = plan_export_again(snapshot)
    return _begin(copy, origin, now, (EXPORT_SCENARIO, EXPORT_FRIENDLY_NAME, graph))


def _wrong_path(path: str) -> RefusedError:
    return refuse(
        "InvalidImportPath",
        f"The value {path!r} of importPath is not allowed.",
        causes=["importPath must be a local path of the recovery host or an SMB share."],
        action="Give the folder that has the carried folder <VMName>_<VMGUID> in it.",
        field="importPath",
    )


def _copy_of(item: ProtectedItem) -> OfflineCopy:
    copy = (
        OfflineCopy.objects.select_related(
            "item__pairing__policy",
            "item__pairing__primary_fabric",
            "item__pairing__recovery_fabric",
        )
        .prefetch_related("item__sides")
        .filter(item_id=item.id, imported_at=None)
        .first()
    )
    if copy is None or copy.item.state != ProtectionState.INITIAL_REPLICATION:
        raise refuse(
            "NoOfflineCopy",
            f"{item.friendly_name} has no offline first copy that waits for something.",
            causes=["Its first copy goes over the network, or is complete."],
            action="Nothing has to be imported; look at the item's state.",
            status=409,
        )
    return copy


def _refuse_unless(copy: OfflineCopy, stages: frozenset[Stage], what: str) -> None:
    facts: CopyFacts = copy_facts(copy)
    stage = stage_of(facts)
    if stage not in stages:
        raise refuse(
            "OperationNotAllowed",
            f"The first copy of {copy.item.friendly_name} cannot be {what}: it is {stage}.",
            causes=[waits_for(facts)],
            action="Wait until that has come about, or disable protection and begin anew.",
            status=409,
        )


def _snapshot(copy: OfflineCopy, location: ActiveLocation, path: str) -> OfflineSnapshot:
    return OfflineSnapshot(
        provider_id=str(provider_of(fabric_of_side(copy.item.pairing, location)).id),
        vm_id=copy.item.vm_id,
        host=host_of_side(copy.item, location),
        path=path,
    )


def _begin(
    copy: OfflineCopy, origin: RequestOrigin, now: datetime, what: tuple[str, str, Graph]
) -> Job:
    item = copy.item
    job = begin_item_job(item, ItemJob(*what), origin, now)
    if lock_item(item.id).state != ProtectionState.INITIAL_REPLICATION:
        raise refuse(
            "OperationNotAllowed",
            f"{item.friendly_name} changed while this was asked for.",
            causes=["Another job began and ended meanwhile."],
            action="Look at the item's state, then try again.",
            status=409,
        )
    OfflineCopy.objects.filter(item_id=item.id).update(problem=None)
    return job
