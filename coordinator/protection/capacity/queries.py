"""Reading replication bandwidth limits and how far they have come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from coordinator.fabrics.models import Fabric
from coordinator.protection.capacity.applying import HostStanding, standings
from coordinator.protection.capacity.rules import limit_in_force, next_change, schedule_of
from coordinator.protection.models import BandwidthLimit


@dataclass(frozen=True)
class LimitStanding:
    """A limit at a time.

    Attributes:
        bits_per_second: In force now; None for no limit.
        next_change: When another comes into force; None: never.
        hosts: By name.
    """

    bits_per_second: int | None
    next_change: datetime | None
    hosts: tuple[HostStanding, ...]


def bandwidth_limits_of(vault_id: UUID, fabric: Fabric | None = None) -> QuerySet[BandwidthLimit]:
    """Limits of a vault's servers, or of one of them, by the server's name."""
    limits = BandwidthLimit.objects.filter(vault_id=vault_id)
    if fabric is not None:
        limits = limits.filter(fabric=fabric)
    return limits.select_related("fabric").order_by("fabric__friendly_name", "name", "id")


def find_bandwidth_limit(fabric: Fabric, name: str) -> BandwidthLimit | None:
    return bandwidth_limits_of(fabric.vault_id, fabric).filter(name__iexact=name).first()


def limit_standing(limit: BandwidthLimit, now: datetime) -> LimitStanding:
    schedule = schedule_of(limit.bits_per_second, limit.windows, limit.time_zone)
    return LimitStanding(
        limit_in_force(schedule, now),
        next_change(schedule, now),
        tuple(standings(limit.fabric, now)),
    )
