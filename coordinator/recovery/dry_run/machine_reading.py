"""Machines and hosts of a dry run, read out of the tables in a few queries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import Count, prefetch_related_objects

from coordinator.fabrics.models import Host, VirtualMachine
from coordinator.protection.models import ItemAdapter, ProtectedItem, RecoveryPoint
from coordinator.protection.queries import adapters_of_items
from coordinator.protection.rules import rpo_seconds
from coordinator.protection.states import ActiveLocation, FailoverDirection, ProtectionState
from coordinator.recovery.dry_run.facts import AdapterFacts, HostFacts, MachineFacts
from coordinator.recovery.models import RecoveryPlan


def machine_facts(
    items: Sequence[ProtectedItem], way: FailoverDirection, now: datetime
) -> dict[str, MachineFacts]:
    """Machines by item id, in order; whether they take part is not looked at."""
    prefetch_related_objects(list(items), "sides")
    memory = _memory(items)
    adapters = adapters_of_items([item.id for item in items])
    counted = RecoveryPoint.objects.filter(item__in=items).values("item")
    points = dict(counted.annotate(count=Count("id")).values_list("item", "count"))
    there = way.source is ActiveLocation.PRIMARY
    return {
        str(item.id): MachineFacts(
            name=item.friendly_name,
            source=_side(item, way.source),
            target=_side(item, way.source.other),
            health=item.replication_health,
            health_errors=tuple(_messages(item.health_errors)),
            rpo_seconds=rpo_seconds(ProtectionState(item.state), item.last_replicated_at, now),
            frequency_seconds=item.pairing.policy.replication_frequency_seconds,
            recovery_points=points.get(item.id, 0),
            target_host=item.recovery_host if there else item.primary_host,
            memory_bytes=memory.get(item.vm_id, 0),
            adapters=tuple(_adapter(row) for row in adapters[item.id]) if there else (),
        )
        for item in items
    }


def hosts_of(
    plan: RecoveryPlan, way: FailoverDirection, names: Collection[str]
) -> tuple[HostFacts, ...]:
    """The hosts that machines would go to, as VMM told of them."""
    there = way.source is ActiveLocation.PRIMARY
    fabric_id = plan.recovery_fabric_id if there else plan.primary_fabric_id
    rows = Host.objects.filter(fabric_id=fabric_id, name__in=set(names), gone_at=None)
    known = {row.name: row.details for row in rows}
    return tuple(
        HostFacts(
            name=name,
            known=name in known,
            maintenance=bool(known.get(name, {}).get("maintenance")),
            total_memory_bytes=int(known.get(name, {}).get("total_memory_bytes", 0)),
            available_memory_bytes=int(known.get(name, {}).get("available_memory_bytes", 0)),
        )
        for name in sorted({name for name in names if name})
    )


def _memory(items: Sequence[ProtectedItem]) -> dict[str, int]:
    """Bytes by Hyper-V's id: what the larger of the two copies is given."""
    found: dict[str, int] = {}
    if items:
        rows = VirtualMachine.objects.filter(
            vault_id=items[0].vault_id, vm_id__in=[item.vm_id for item in items], gone_at=None
        )
        for vm_id, details in rows.values_list("vm_id", "details"):
            found[vm_id] = max(found.get(vm_id, 0), int(details.get("memory_bytes", 0)))
    return found


def _side(item: ProtectedItem, location: ActiveLocation) -> tuple[str, str] | None:
    side = item.side(location)
    return None if side is None else (side.mode, side.state)


def _messages(errors: object) -> list[str]:
    told = errors if isinstance(errors, list) else []
    return [str(each.get("message") or each.get("errorMessage") or "") for each in told]


def _adapter(row: ItemAdapter) -> AdapterFacts:
    return AdapterFacts(
        source_network=row.source_network,
        target_network=row.target_network,
        problem=row.problem,
        lacks_address=row.static_address and not row.address,
    )
