"""What protection does by itself when a fabric's inventory has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction

from coordinator.fabrics.models import Fabric
from coordinator.jobs.services import QueueName, enqueue
from coordinator.protection.capacity.applying import follow_bandwidth_of
from coordinator.protection.discovery.following import follow_machines, note_followed
from coordinator.protection.from_vmm.services import follow_requests_of
from coordinator.protection.networks.following import follow_networks
from coordinator.protection.pairing.following import follow_hosts_of

log = structlog.get_logger(__name__)

FOLLOW_TASK = "protection.follow_inventory"

# Called with the fabric and the time, inside a transaction; looks at the tables, may begin jobs.
# Called often and for nothing: it must cost little when nothing is to be done.
InventoryFollower: TypeAlias = Callable[[Fabric, datetime], None]

FOLLOWERS: Mapping[str, InventoryFollower] = {
    # Before "machines", which shows what it found.
    "vmm_requests": follow_requests_of,
    "machines": follow_machines,
    "hosts": follow_hosts_of,
    "bandwidth": follow_bandwidth_of,
    "networks": follow_networks,
}


def inventory_changed(fabric_id: UUID, now: datetime) -> None:
    """Has a worker look at what follows from a changed inventory, soon."""
    enqueue(FOLLOW_TASK, QueueName.INVENTORY, str(fabric_id), now=now)


def follow_inventory(
    now: datetime, fabric_id: str, followers: Mapping[str, InventoryFollower] | None = None
) -> None:
    """Calls every follower for a fabric; what one of them breaks keeps no other from its work.

    Raises:
        OperationalError, InterfaceError: The database went away, or two waited for each other; what
            was begun is undone, and all of it is done again later.
    """
    fabric = Fabric.objects.filter(id=UUID(fabric_id)).first()
    if fabric is None:
        return
    broken = False
    for name, follower in (FOLLOWERS if followers is None else followers).items():
        try:
            with transaction.atomic():
                follower(fabric, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # A border: the others go on, and the next change calls this one again.
            log.exception("inventory.not_followed", follower=name, fabric_id=fabric_id)
            broken = True
    if not broken:
        # Else they are all shown the same changes once more with the next; following is idempotent.
        note_followed(fabric)
