"""Following the mark in VMM that says a machine is to be protected (SPEC RE-3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.failures import Failure, RefusedError
from coordinator.pauses import growing_pause
from coordinator.protection.enabling.services import enable_protection
from coordinator.protection.models import ProtectedItem, VmmRequest
from coordinator.protection.requests import ProtectionRequest, RequestOrigin

log = structlog.get_logger(__name__)

ORIGIN = RequestOrigin(started_by="VMM")
RETRY_TASK = "protection.retry_vmm_requests"
RETRY_EVERY = timedelta(seconds=60)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
# So many are looked at in one transaction.
MOST_AT_ONCE = 50
MARK = "dr_protection_required"


def follow_requests_of(fabric: Fabric, now: datetime) -> None:
    """Begins the protection of machines for which VMM requires it since the last inventory.

    Costs what has changed. A machine that cannot be protected says why, and is tried again when it
    changes, and now and then. A mark that is taken away ends no protection: it says nothing about
    the replica, which may be all there is when somebody clicks wrongly, or makes the machine anew
    from a template; the item shows a warning.

    Idempotent. Source: SPEC RE-3.
    """
    # One that VMM has lost sight of tells nothing of its mark: it may be back in a moment.
    changed = VirtualMachine.objects.filter(
        fabric=fabric, revision__gt=fabric.followed_revision, gone_at=None
    )
    machines = list(changed.select_related("vmm_request", "fabric"))
    protected = _protected(machines)
    for machine in machines:
        known: VmmRequest | None = getattr(machine, "vmm_request", None)
        if not _required(machine):
            _withdraw(known, now, protected=machine.vm_id in protected)
        elif known is None or known.withdrawn_at is not None:
            _answer(_request(machine, now), now, protected=machine.vm_id in protected)
        elif known.answered_at is None:
            _answer(known, now, protected=machine.vm_id in protected)


def retry_vmm_requests(now: datetime) -> None:
    """Tries again what could not begin: its cloud may have been paired meanwhile.

    The pauses grow to an hour. Nothing is sent to a host by trying.
    """
    due = VmmRequest.objects.filter(
        answered_at=None, withdrawn_at=None, retry_at__lte=now, machine__gone_at=None
    )
    rows = list(
        due.select_for_update(of=("self",), skip_locked=True)
        .select_related("machine__fabric")
        .order_by("retry_at")[:MOST_AT_ONCE]
    )
    protected = _protected(row.machine for row in rows)
    for row in rows:
        _answer(row, now, protected=row.machine.vm_id in protected)


def refused_requests(machines: Collection[VirtualMachine]) -> Mapping[int, Failure]:
    """Why protection that VMM requires cannot begin, by the machine's row id."""
    rows = VmmRequest.objects.filter(
        machine__in=machines, answered_at=None, withdrawn_at=None, failure__isnull=False
    )
    return {row.machine_id: _told(row.failure or {}) for row in rows}


def is_required(vm_id: str, fabric: Fabric) -> bool:
    """Whether VMM requires the protection of a fabric's machine, by the last inventory."""
    machines = VirtualMachine.objects.filter(fabric=fabric, vm_id=vm_id, gone_at=None)
    return any(told.get(MARK) for told in machines.values_list("details", flat=True))


def _told(stored: Mapping[str, Any]) -> Failure:
    return Failure(
        stored["code"],
        f"VMM requires its protection, which cannot begin: {stored['message']}",
        tuple(stored["possibleCauses"]),
        stored["recommendedAction"],
    )


def _required(machine: VirtualMachine) -> bool:
    """A replica is marked as its machine was, and is no machine to protect."""
    told = machine.details
    replica = told.get("recovery") or told.get("test_replica")
    return bool(told.get(MARK)) and not replica


def _protected(machines: Iterable[VirtualMachine]) -> set[str]:
    """Hyper-V ids of those that are protected items, in whatever state."""
    by_vault: dict[UUID, set[str]] = {}
    for machine in machines:
        by_vault.setdefault(machine.vault_id, set()).add(machine.vm_id)
    return {
        vm_id
        for vault_id, vm_ids in by_vault.items()
        for vm_id in ProtectedItem.objects.filter(vault_id=vault_id, vm_id__in=vm_ids).values_list(
            "vm_id", flat=True
        )
    }


def _request(machine: VirtualMachine, now: datetime) -> VmmRequest:
    fresh = {"seen_at": now, "answered_at": None, "withdrawn_at": None, "failure": None}
    row, _ = VmmRequest.objects.update_or_create(
        machine=machine, defaults={**fresh, "attempts": 0, "retry_at": now}
    )
    return row


def _withdraw(row: VmmRequest | None, now: datetime, *, protected: bool) -> None:
    if row is None or row.withdrawn_at is not None:
        return
    if not protected:
        row.delete()
        return
    row.withdrawn_at = now
    row.save(update_fields=["withdrawn_at"])


def _answer(row: VmmRequest, now: datetime, *, protected: bool) -> None:
    failure = None if protected else _begin(row.machine, now)
    if failure is None:
        row.answered_at, row.failure = now, None
    else:
        told = failure.as_json()
        if row.failure != told:
            log.warning("vmm_request.refused", machine=row.machine.name, code=failure.code)
        row.failure = told
        row.attempts += 1
        row.retry_at = now + growing_pause(row.attempts, FIRST_PAUSE, LONGEST_PAUSE)
    row.save()


def _begin(machine: VirtualMachine, now: datetime) -> Failure | None:
    request = ProtectionRequest(name=machine.external_id, machine=machine)
    try:
        with transaction.atomic():
            _, job = enable_protection(request, ORIGIN, now)
    except RefusedError as error:
        return error.failure
    log.info("vmm_request.answered", machine=machine.name, job_id=str(job.id))
    return None
