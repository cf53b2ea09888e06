"""What a job has seen itself, kept in the inventory before the next look tells it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from coordinator.fabrics.models import VirtualMachine


def replication_ended(fabric_ids: Collection[UUID], vm_id: str) -> None:
    """A machine and its copies take part in no replication any more.

    Args:
        fabric_ids: The servers whose hosts said so.
        vm_id: Hyper-V's id of the machine.

    Idempotent.
    """
    rows = VirtualMachine.objects.select_for_update(no_key=True).filter(
        fabric_id__in=fabric_ids, vm_id=vm_id.lower(), details__has_key="replication"
    )
    for row in rows.order_by("id"):
        del row.details["replication"]
        row.save(update_fields=["details"])


def machine_deleted(fabric_id: UUID, vm_id: str, host: str, now: datetime) -> None:
    """A server's machine was deleted from a host.

    Args:
        fabric_id: The server.
        vm_id: Hyper-V's id of the machine.
        host: FQDN of the host.
        now: When it is said to have gone.

    Idempotent.
    """
    VirtualMachine.objects.filter(
        fabric_id=fabric_id, vm_id=vm_id.lower(), host_fqdn__iexact=host, gone_at=None
    ).update(gone_at=now)
