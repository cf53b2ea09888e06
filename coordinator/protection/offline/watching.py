"""Where agents look for exported folders, what they find, and what begins by itself then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from opensiterecovery.provider.v1 import first_copy_pb2

from coordinator.failures import RefusedError
from coordinator.jobs.queries import running_job_for
from coordinator.jobs.services import QueueName, enqueue
from coordinator.protection.models import OfflineCopy
from coordinator.protection.offline.facts import copy_facts
from coordinator.protection.offline.rules import exports_by_itself, imports_by_itself
from coordinator.protection.offline.services import export_first_copy_again, import_first_copy
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import ProtectionState
from coordinator.protection.transitions import item_lock

log = structlog.get_logger(__name__)

FOLLOW_TASK = "protection.follow_offline_copies"
FOLLOW_EVERY = timedelta(seconds=30)
STARTED_BY = "Site Recovery"
# Of the columns that keep what was found.
NAME_LENGTH = 512
MOST_FILES = 2**31 - 1
MOST_BYTES = 2**63 - 1


@dataclass(frozen=True, order=True)
class Place:
    """A path on a host where an agent looks for one machine's folder."""

    vm_id: str
    host: str
    path: str


def first_copies_to_watch(fabric_ids: Collection[UUID]) -> dict[UUID, list[Place]]:
    """Where each fabric's provider is to look, until the copies are imported.

    Returns:
        By fabric, sorted; every fabric asked for is there.
    """
    watched: dict[UUID, list[Place]] = {fabric_id: [] for fabric_id in fabric_ids}
    copies = OfflineCopy.objects.filter(
        Q(item__pairing__primary_fabric__in=watched)
        | Q(item__pairing__recovery_fabric__in=watched),
        imported_at=None,
    ).select_related("item__pairing")
    for copy in copies:
        item = copy.item
        for fabric_id, host, path in (
            (item.pairing.primary_fabric_id, item.primary_host, copy.export_path),
            (item.pairing.recovery_fabric_id, item.recovery_host, copy.import_path),
        ):
            if fabric_id in watched:
                watched[fabric_id].append(Place(item.vm_id, host, path))
    return {fabric_id: sorted(places) for fabric_id, places in watched.items()}


def ingest_first_copies(
    fabric_id: UUID, folders: Iterable[first_copy_pb2.FirstCopyFolder], now: datetime
) -> None:
    """Keeps what an agent found at the paths of offline first copies.

    A change of the folder at the import path lets an import that failed begin again by itself.

    Idempotent. Source: SPEC OF-1.
    """
    told = {(folder.vm_id.lower(), folder.host.lower(), folder.path): folder for folder in folders}
    copies = (
        OfflineCopy.objects.select_for_update(of=("self",), no_key=True)
        .select_related("item__pairing")
        .filter(
            Q(item__pairing__primary_fabric=fabric_id)
            | Q(item__pairing__recovery_fabric=fabric_id),
            item__vm_id__in={vm_id for vm_id, _, _ in told},
            imported_at=None,
        )
        .order_by("item_id")
    )
    for copy in copies:
        item = copy.item
        out = told.get((item.vm_id, item.primary_host, copy.export_path))
        if out is not None and item.pairing.primary_fabric_id == fabric_id:
            _keep(copy, "exported", out)
        there = told.get((item.vm_id, item.recovery_host, copy.import_path))
        if there is not None and item.pairing.recovery_fabric_id == fabric_id:
            before = (copy.arrived_files, copy.arrived_bytes)
            _keep(copy, "arrived", there)
            if before != (copy.arrived_files, copy.arrived_bytes):
                copy.problem = None
        copy.save()
    if told:
        enqueue(FOLLOW_TASK, QueueName.REPLICATION, now=now)


def follow_offline_copies(now: datetime) -> None:
    """Begins the imports and exports that are due by themselves.

    Also called from time to time, because an export ends, or breaks off, without a report of its
    folder. Idempotent: an item that a job works on is left to that job.

    Source: SPEC OF-1.
    """
    open_copies = (
        OfflineCopy.objects.select_related("item")
        .prefetch_related("item__sides")
        .filter(imported_at=None, item__state=ProtectionState.INITIAL_REPLICATION)
        .order_by("item_id")
    )
    for copy in open_copies:
        facts = copy_facts(copy)
        begin = (
            import_first_copy
            if imports_by_itself(facts)
            else export_first_copy_again
            if exports_by_itself(facts)
            else None
        )
        if begin is None or running_job_for(item_lock(copy.item_id)) is not None:
            continue
        try:
            with transaction.atomic():
                begin(copy.item, RequestOrigin(started_by=STARTED_BY), now)
        except RefusedError as error:
            # Something has come between; the next look decides anew.
            log.info("offline_copy.put_off", item_id=str(copy.item_id), code=error.failure.code)


def _keep(copy: OfflineCopy, which: str, folder: first_copy_pb2.FirstCopyFolder) -> None:
    setattr(copy, f"{which}_folder", folder.folder[:NAME_LENGTH])
    setattr(copy, f"{which}_files", min(folder.files, MOST_FILES))
    setattr(copy, f"{which}_bytes", min(folder.size_bytes, MOST_BYTES))
    setattr(copy, f"{which}_settled", folder.settled)
