"""Enabling protection of many machines at once: each for itself, none for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from coordinator.fabrics.models import VirtualMachine
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.protection.enabling.services import enable_protection
from coordinator.protection.models import ProtectedItem
from coordinator.protection.replication.evaluation import lock_items
from coordinator.protection.requests import ProtectionRequest, RequestOrigin
from coordinator.protection.states import ProtectionState

# So many machines at most in one request (SPEC RE-1).
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Enabled:
    """A machine whose protection is being enabled."""

    item: ProtectedItem
    job: Job


def enable_machines(
    requests: Iterable[tuple[ProtectionRequest, RequestOrigin]], now: datetime
) -> list[Enabled | RefusedError]:
    """Begins to protect machines, as `enable_protection` does with each.

    Args:
        requests: Machines with who asked; the same client request id for all.
        now: The time.

    Returns:
        For each in order what has begun, or why it was refused: the others begin all the same.

    Idempotent: By the client request id: who asks again is told the same jobs.

    Source: SPEC RE-1.
    """
    wanted = list(requests)
    # What failed before is taken up again, item by item: held in one order, before anything else.
    lock_items(_known_items(request.machine for request, _ in wanted))
    return [_enable(request, origin, now) for request, origin in wanted]


def _known_items(machines: Iterable[VirtualMachine]) -> list[UUID]:
    by_vault: dict[UUID, set[str]] = {}
    for machine in machines:
        by_vault.setdefault(machine.vault_id, set()).add(machine.vm_id)
    return [
        item_id
        for vault_id, vm_ids in by_vault.items()
        for item_id in ProtectedItem.objects.filter(
            vault_id=vault_id, vm_id__in=vm_ids, state=ProtectionState.ENABLING_FAILED
        ).values_list("id", flat=True)
    ]


def _enable(
    request: ProtectionRequest, origin: RequestOrigin, now: datetime
) -> Enabled | RefusedError:
    try:
        with transaction.atomic():
            return Enabled(*enable_protection(request, origin, now))
    except RefusedError as error:
        return error
