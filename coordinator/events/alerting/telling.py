"""Making alerts of events: each is told of once, when it is raised and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

from coordinator.events.alerting.content import (
    CLEARED,
    MOST_IN_A_REQUEST,
    RAISED,
    TEST,
    Content,
    content,
    joined,
    most_important,
)
from coordinator.events.alerting.rules import BETWEEN_MAILS, first_attempt, is_mailed, is_posted
from coordinator.events.alerting.states import DeliveryState
from coordinator.events.models import AlertDelivery, AlertSetting, Event, Webhook
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)

AT_ONCE = 5000
# E-mail addresses of a vault's owners.
OwnersOf: TypeAlias = Callable[[Vault], Sequence[str]]


@dataclass(frozen=True)
class Telling:
    """What telling depends on beside the database.

    Attributes:
        owners_of: Whose mail a vault's owners read.
        mails: Whether there is a mail server to hand mails to.
        between_mails: How much time lies between two mails about a vault to an address.
    """

    owners_of: OwnersOf
    mails: bool
    between_mails: timedelta = BETWEEN_MAILS


def tell(telling: Telling, now: datetime) -> int:
    """Makes alerts of all events that nobody was told of, and of their end.

    They are deliveries in the database: `delivering` sends them, whatever dies in between.

    Args:
        telling: Whom to tell, and how often.
        now: The time.

    Returns:
        How many events there were.

    Idempotent: An event is marked in the transaction that writes its deliveries.

    Source: SPEC EV-1, EV-2.
    """
    untold = Event.objects.filter(told_at=None).order_by("occurred_at", "id")
    raised = list(untold.select_for_update(skip_locked=True)[:AT_ONCE])
    over = Event.objects.filter(clearing_told_at=None).exclude(cleared_at=None)
    told_of = over.exclude(told_at=None).order_by("cleared_at", "id")
    cleared = list(told_of.select_for_update(skip_locked=True)[:AT_ONCE])
    for vault_id in {event.vault_id for event in (*raised, *cleared)}:
        _tell_vault(
            telling,
            Vault.objects.get(id=vault_id),
            [event for event in raised if event.vault_id == vault_id],
            [event for event in cleared if event.vault_id == vault_id],
            now,
        )
    Event.objects.filter(id__in=[event.id for event in raised]).update(told_at=now)
    Event.objects.filter(id__in=[event.id for event in cleared]).update(clearing_told_at=now)
    return len(raised) + len(cleared)


def recipients_of(vault: Vault, owners_of: OwnersOf) -> list[str]:
    """Who is sent mail about a vault, each once."""
    setting = AlertSetting.objects.filter(vault=vault).first()
    if setting is None:
        return []
    owners = owners_of(vault) if setting.send_to_owners else ()
    return list(dict.fromkeys(address.lower() for address in (*setting.addresses, *owners)))


def tell_test(webhook: Webhook, now: datetime) -> AlertDelivery:
    """Makes an alert that tells of nothing, to see whether it arrives."""
    return AlertDelivery.objects.create(
        vault=webhook.vault, webhook=webhook, **_fresh(content(TEST, webhook.vault, ()), now, now)
    )


def tell_test_mails(vault: Vault, addresses: Iterable[str], now: datetime) -> list[AlertDelivery]:
    """Likewise by e-mail, to each address."""
    told = content(TEST, vault, ())
    return AlertDelivery.objects.bulk_create(
        AlertDelivery(vault=vault, address=address, **_fresh(told, now, now))
        for address in addresses
    )


def _tell_vault(
    telling: Telling,
    vault: Vault,
    raised: Sequence[Event],
    cleared: Sequence[Event],
    now: datetime,
) -> None:
    made = 0
    for webhook in Webhook.objects.filter(vault=vault, enabled=True):
        made += _post(webhook, RAISED, raised, now) + _post(webhook, CLEARED, cleared, now)
    mailed = [event for event in raised if is_mailed(event.severity, event.code)]
    if telling.mails and mailed:
        told = content(RAISED, vault, mailed)
        told["events"] = most_important(told["events"])
        for address in recipients_of(vault, telling.owners_of):
            _mail(vault, address, told, telling.between_mails, now)
            made += 1
    log.info(
        "events.told",
        vault_id=str(vault.id),
        raised=len(raised),
        cleared=len(cleared),
        deliveries=made,
    )


def _post(webhook: Webhook, kind: str, events: Sequence[Event], now: datetime) -> int:
    wanted = [
        event
        for event in events
        if is_posted(event.type, event.severity, webhook.event_types, webhook.severities)
    ]
    parts = [
        wanted[start : start + MOST_IN_A_REQUEST]
        for start in range(0, len(wanted), MOST_IN_A_REQUEST)
    ]
    vault = webhook.vault
    AlertDelivery.objects.bulk_create(
        AlertDelivery(vault=vault, webhook=webhook, **_fresh(content(kind, vault, part), now, now))
        for part in parts
    )
    return len(parts)


def _mail(vault: Vault, address: str, told: Content, between: timedelta, now: datetime) -> None:
    """A mail that still waits tells this too: of one address at most one waits."""
    mails = AlertDelivery.objects.filter(vault=vault, webhook=None, address=address)
    waiting = (
        mails.select_for_update(skip_locked=True)
        .filter(state=DeliveryState.PENDING, content__kind=RAISED)
        .order_by("created_at")
        .last()
    )
    if waiting is not None:
        waiting.content = joined(waiting.content, told)
        waiting.save(update_fields=["content"])
        return
    last = mails.filter(content__kind=RAISED).order_by("-created_at").first()
    since = None if last is None else last.finished_at or last.created_at
    at = first_attempt(now, since, between)
    AlertDelivery.objects.create(vault=vault, address=address, **_fresh(told, now, at))


def _fresh(told: Content, now: datetime, at: datetime) -> dict[str, object]:
    return {
        "content": told,
        "state": DeliveryState.PENDING,
        "created_at": now,
        "next_attempt_at": at,
    }
