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
from coordinator.jobs.services import QueueName, enqueue
from coordinator.pauses import growing_pause
from coordinator.protection.enabling.services import enable_protection
from coordinator.protection.models import ProtectedItem, VmmRequest
from coordinator.protection.requests import ProtectionRequest, RequestOrigin

log = structlog.get_logger(__name__)

ORIGIN = RequestOrigin(started_by="VMM")
ANSWER_TASK = "protection.answer_vmm_requests"
RETRY_EVERY = timedelta(seconds=60)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
# So many begin in one transaction, which holds their clouds' pairings while it is long.
MOST_AT_ONCE = 20
MARK = "dr_protection_required"


def follow_requests_of(fabric: Fabric, now: datetime) -> None:
    """Notes the machines for which VMM requires protection since the last inventory.

    Costs what has changed. Their protection begins right afterwards, a few in each transaction
    however many marks one look at the server shows. A machine that cannot be protected says why,
    and is tried again when it changes, and now and then. A mark that is taken away ends no
    protection: it says nothing about the replica, which may be all there is when somebody clicks
    wrongly, or makes the machine anew from a template; the item shows a warning.

    Idempotent. Source: SPEC RE-3.
    """
    # One that VMM has lost sight of tells nothing of its mark: it may be back in a moment.
    changed = VirtualMachine.objects.filter(
        fabric=fabric, revision__gt=fabric.followed_revision, gone_at=None
    )
    machines = list(changed.select_related("vmm_request"))
    protected = _protected(machines)
    new: list[VirtualMachine] = []
    again: list[VmmRequest] = []
    for machine in machines:
        known: VmmRequest | None = getattr(machine, "vmm_request", None)
        if not _required(machine):
            _withdraw(known, now, protected=machine.vm_id in protected)
        elif known is None or known.withdrawn_at is not None:
            new.append(machine)
        elif known.answered_at is None:
            again.append(known)
    _note(new, now)
    VmmRequest.objects.filter(pk__in=[row.pk for row in again]).update(retry_at=now)
    if new or again:
        enqueue(ANSWER_TASK, QueueName.REPLICATION, now=now)


def answer_vmm_requests(now: datetime, at_once: int = MOST_AT_ONCE) -> None:
    """Begins the protection of machines that is due, and asks for the rest in another transaction.

    Also from time to time, for what could not begin: a cloud may have been paired meanwhile. The
    pauses grow to an hour. Nothing is sent to a host by trying.

    Args:
        now: The time.
        at_once: So many machines at most in this transaction.

    Idempotent. Source: SPEC RE-3.
    """
    due = VmmRequest.objects.filter(
        answered_at=None, withdrawn_at=None, retry_at__lte=now, machine__gone_at=None
    )
    rows = list(
        due.select_for_update(of=("self",), skip_locked=True)
        .select_related("machine__fabric")
        .order_by("retry_at", "pk")[:at_once]
    )
    protected = _protected(row.machine for row in rows)
    # Everybody who holds pairings of several clouds comes by them in this order.
    for row in sorted(rows, key=lambda row: (row.machine.cloud_external_id, row.pk)):
        _answer(row, now, protected=row.machine.vm_id in protected)
    if len(rows) == at_once:
        enqueue(ANSWER_TASK, QueueName.REPLICATION, now=now)


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


def _note(machines: Iterable[VirtualMachine], now: datetime) -> None:
    """A row for each that is due at once; what became of an earlier mark is forgotten."""
    VmmRequest.objects.bulk_create(
        [VmmRequest(machine=machine, seen_at=now, retry_at=now) for machine in machines],
        batch_size=500,
        update_conflicts=True,
        unique_fields=["machine"],
        update_fields=[
            "seen_at",
            "retry_at",
            "answered_at",
            "withdrawn_at",
            "failure",
            "attempts",
        ],
    )


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
