"""Machines that commands have changed: what a look saw of them before that does not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from coordinator.fabrics.inventory_rows import Row
from coordinator.fabrics.models import Fabric, SettledMachine, VirtualMachine

# Longer than any look takes. After it no look is told that began before; a server whose clock was
# put back must not be doubted for ever.
DOUBTED_FOR = timedelta(minutes=30)


def settle_machine(
    vm_id: str,
    ended_at: Mapping[UUID, datetime],
    now: datetime,
    deleted_from: tuple[UUID, str] | None = None,
) -> None:
    """Keeps what commands left of a machine: it takes part in no replication any more.

    A look that was under way meanwhile may have seen it as it was before and be told afterwards:
    until one is told that began later, this holds. If that has happened, it knows better.

    Args:
        vm_id: Hyper-V's id of the machine and its copies.
        ended_at: By server, when the last of the commands there ended, by the server's own clock.
        now: The time.
        deleted_from: Server and host from which the machine's copy was deleted.

    Idempotent. Source: DESIGN invariant 6.
    """
    # As whoever applies an inventory does: no look is applied between this and the commit.
    fabrics = Fabric.objects.select_for_update(no_key=True).filter(pk__in=ended_at).order_by("pk")
    for fabric in list(fabrics):
        at = ended_at[fabric.pk]
        if fabric.looked_at is not None and fabric.looked_at > at:
            continue
        known, _ = SettledMachine.objects.get_or_create(
            fabric=fabric, vm_id=vm_id.lower(), defaults={"settled_at": at, "noted_at": now}
        )
        known.settled_at, known.noted_at = max(known.settled_at, at), now
        known.save()
        machines = VirtualMachine.objects.filter(fabric=fabric, vm_id=vm_id.lower(), gone_at=None)
        for row in machines.filter(details__has_key="replication").order_by("id"):
            del row.details["replication"]
            row.save(update_fields=["details"])
        if deleted_from is not None and deleted_from[0] == fabric.pk:
            machines.filter(host_fqdn__iexact=deleted_from[1]).update(gone_at=now)


def overtaken_machines(
    fabric_id: UUID, machines: Iterable[Row], look_began_at: datetime | None, now: datetime
) -> set[str]:
    """VMM's ids of the machines of a look that commands have changed since it began.

    Args:
        fabric_id: The server, whose row the caller holds.
        machines: What the look tells.
        look_began_at: By the server's clock; None from an agent that does not say it, which is
            believed.
        now: The time.
    """
    if look_began_at is None:
        return set()
    doubted = SettledMachine.objects.filter(
        fabric_id=fabric_id, settled_at__gte=look_began_at, noted_at__gt=now - DOUBTED_FOR
    )
    vm_ids = set(doubted.values_list("vm_id", flat=True))
    if not vm_ids:
        return set()
    return {row.external_id for row in machines if row.columns["vm_id"] in vm_ids}


def forget_settled(fabric_id: UUID, look_began_at: datetime | None, now: datetime) -> None:
    """A look that began after everything settled has been told: later ones began later still."""
    known = SettledMachine.objects.filter(fabric_id=fabric_id)
    if look_began_at is not None:
        known.filter(settled_at__lt=look_began_at).delete()
    known.filter(noted_at__lte=now - DOUBTED_FOR).delete()
