"""What providers say of the copies they hold, and what people are told about it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from opensiterecovery.provider.v1 import role_pb2

from coordinator.events.services import EventDraft, clear_events, raise_events
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure
from coordinator.protection.models import MachineRole, ProtectedItem
from coordinator.protection.roles.rules import Role, role_of
from coordinator.protection.sides import fabric_of_side
from coordinator.protection.states import ActiveLocation, ProtectionState

MOST_ADAPTERS = 64
MOST_TROUBLE = 500


def held_key(item_id: UUID | str) -> str:
    """Key of the event that says that an old copy is held."""
    return f"held:{item_id}"


def not_held_key(item_id: UUID | str) -> str:
    """Key of the event that says that an old copy could not be held."""
    return f"not-held:{item_id}"


def ingest_roles(fabric_id: UUID, copies: Iterable[role_pb2.HeldCopy], now: datetime) -> None:
    """Keeps which copies a fabric's provider holds, or cannot hold, and says so once for each.

    Args:
        fabric_id: Of the provider that reports.
        copies: All that it holds, or has not let go of yet; what it does not name is not held.
        now: The time.

    Idempotent. Source: SPEC FO-7.
    """
    told = {copy.item_id: copy for copy in copies}
    # The items' rows in one order, as everybody holds them.
    rows = ProtectedItem.objects.select_related(
        "pairing__primary_fabric", "pairing__recovery_fabric"
    ).filter(Q(pairing__primary_fabric=fabric_id) | Q(pairing__recovery_fabric=fabric_id))
    known = {
        str(role.item_id): role
        for role in MachineRole.objects.filter(item__in=rows).exclude(held=None)
    }
    concerned = rows.filter(id__in=[*_ids(told), *_ids(known)]).order_by("id")
    drafts: list[EventDraft] = []
    over: list[tuple[UUID, str]] = []
    for item in concerned:
        copy = told.get(str(item.id))
        if copy is None:
            if _is_here(known.get(str(item.id)), item, fabric_id):
                MachineRole.objects.filter(item=item).update(held=None)
                over += _keys(item)
            continue
        if copy.location not in set(ActiveLocation):
            continue
        _keep(item, copy)
        news = _news(item, copy)
        drafts += news
        told_of = {draft.key for draft in news}
        over += [(vault_id, key) for vault_id, key in _keys(item) if key not in told_of]
    raise_events(drafts, now)
    _clear(over, now)


def clear_decided(now: datetime) -> None:
    """Clears what is said of copies that are no longer to be held: somebody decided."""
    held = MachineRole.objects.exclude(held=None).select_related("item")
    over = [
        key
        for role in held
        if not _is_held(
            role.item, ActiveLocation(role.item.active_location).other, role.item.role_epoch
        )
        for key in _keys(role.item)
    ]
    _clear(over, now)


def _ids(known: Iterable[str]) -> list[UUID]:
    found = []
    for text in known:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _is_here(role: MachineRole | None, item: ProtectedItem, fabric_id: UUID) -> bool:
    location = (role.held or {}).get("location") if role is not None else None
    if location not in set(ActiveLocation):
        return False
    return fabric_of_side(item.pairing, ActiveLocation(location)).id == fabric_id


def _keep(item: ProtectedItem, copy: role_pb2.HeldCopy) -> None:
    held = {
        "location": copy.location,
        "epoch": copy.epoch,
        "adapters": [
            [each.adapter_id[:128], each.name[:255], each.switch_name[:255]]
            for each in copy.adapters[:MOST_ADAPTERS]
        ],
    }
    MachineRole.objects.update_or_create(item=item, defaults={"held": held})


def _is_held(item: ProtectedItem, location: ActiveLocation, epoch: int) -> bool:
    active = ActiveLocation(item.active_location)
    role = role_of(item.state, location, active, item.failover_type)
    return role is Role.HELD and epoch == item.role_epoch


def _keys(item: ProtectedItem) -> list[tuple[UUID, str]]:
    return [(item.vault_id, held_key(item.id)), (item.vault_id, not_held_key(item.id))]


def _clear(over: Iterable[tuple[UUID, str]], now: datetime) -> None:
    by_vault: dict[UUID, list[str]] = {}
    for vault_id, key in over:
        by_vault.setdefault(vault_id, []).append(key)
    for vault_id, keys in by_vault.items():
        clear_events(vault_id, keys, now)


def _news(item: ProtectedItem, copy: role_pb2.HeldCopy) -> list[EventDraft]:
    """What people are to be told of a copy now; of one that was not looked at yet nothing."""
    location = ActiveLocation(copy.location)
    if not _is_held(item, location, copy.epoch):
        return []
    if copy.held:
        return [_draft(item, location, Severity.WARNING, _held(item, location), held_key(item.id))]
    if not copy.trouble:
        return []
    failure = _not_held(item, location, copy.trouble)
    return [_draft(item, location, Severity.CRITICAL, failure, not_held_key(item.id))]


def _held(item: ProtectedItem, location: ActiveLocation) -> Failure:
    here = fabric_of_side(item.pairing, location)
    there = fabric_of_side(item.pairing, location.other)
    name = item.friendly_name
    cause = f"{name} was failed over to {there.friendly_name} without plan; now its site is back."
    action = (
        f"Decide: reverse replicate {name} to protect it again, which gives up what only the held "
        f"copy has; or cancel the failover to go back to the held copy, which gives up what {name} "
        "wrote since."
    )
    if item.state == ProtectionState.FAILOVER_ABANDONED:
        cause = f"The failover of {name} was abandoned; now the site it went to is back."
        action = (
            f"Decide: cancel the failover, which makes the held copy the replica of {name} again "
            "and gives up what was written in it; or fail over again, which gives up that too, and "
            f"what {name} wrote since."
        )
    return Failure(
        "OldPrimaryHeld",
        f"The copy of {name} on {here.friendly_name} that a failover left behind is held: it is "
        "off, and its network adapters are disconnected.",
        (cause,),
        f"{action} By hand on the VMM server: osr-agent copy release.",
    )


def _not_held(item: ProtectedItem, location: ActiveLocation, trouble: str) -> Failure:
    primary = location is ActiveLocation.PRIMARY
    host = item.primary_host if primary else item.recovery_host
    name = item.friendly_name
    return Failure(
        "OldPrimaryNotHeld",
        f"The copy of {name} on {host} that a failover left behind could not be held, so that it "
        f"may run beside {name}: {trouble[:MOST_TROUBLE]}",
        (
            f"{host} is starting, or does not answer.",
            f"{host} answers, but does not carry out what it is told.",
        ),
        f"See that the copy on {host} is off, and connected to no network. Holding it is tried "
        "again by itself, and this event goes when it is held.",
    )


def _draft(
    item: ProtectedItem, location: ActiveLocation, severity: Severity, failure: Failure, key: str
) -> EventDraft:
    return EventDraft(
        vault_id=item.vault_id,
        type=EventType.VM_HEALTH,
        severity=severity,
        failure=failure,
        affected_type="ProtectionEntity",
        affected_id=str(item.id),
        affected_name=item.friendly_name,
        fabric_name=fabric_of_side(item.pairing, location).name,
        key=key,
    )
