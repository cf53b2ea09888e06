"""Sending what is due: each place by itself, side by side, and what failed again later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import structlog
from django.db.models import Q

from coordinator.events.alerting.addresses import Resolve, WebhookRules, resolve
from coordinator.events.alerting.content import remembered
from coordinator.events.alerting.mail_server import MailServer, mail_session
from coordinator.events.alerting.mails import mail
from coordinator.events.alerting.outcomes import Outcome, failed
from coordinator.events.alerting.posting import Post, post
from coordinator.events.alerting.rules import next_attempt
from coordinator.events.alerting.sealing import Seal, SealBrokenError
from coordinator.events.alerting.states import DeliveryState
from coordinator.events.models import AlertDelivery, AlertSetting, Webhook

log = structlog.get_logger(__name__)

# In one go; the next one has the others.
AT_ONCE = 100
PLACES_AT_ONCE = 8
# So long one place may take, and with it the whole: a transaction stays open for it.
PLACE_SECONDS = 20.0
# Finished deliveries are kept so long; dead ones too: what they told of is old by then.
KEPT = timedelta(days=14)

Attempts: TypeAlias = list[Outcome]


@dataclass(frozen=True)
class Sending:
    """What sending depends on beside the database.

    Attributes:
        seal: Opens webhooks' secrets.
        rules: Where webhooks may lead.
        server: Takes mails; None: there is none.
        find: Looks names up.
        monotonic: Seconds, for the time a place may take.
    """

    seal: Seal
    rules: WebhookRules
    server: MailServer | None = None
    find: Resolve = resolve
    monotonic: Callable[[], float] = time.monotonic


def deliver(sending: Sending, now: datetime) -> int:
    """Sends the deliveries that are due, once each.

    Places do not wait for each other, and of one that cannot be reached no more is tried for now.
    When the process dies on the way, what was sent is sent again: its id is the same.

    Args:
        sending: How.
        now: The time.

    Returns:
        How many were delivered.
    """
    due = Q(state=DeliveryState.PENDING, next_attempt_at__lte=now)
    ready = due & (Q(webhook=None) | Q(webhook__enabled=True))
    if sending.server is None:
        ready &= ~Q(webhook=None)
    rows = list(
        AlertDelivery.objects.filter(ready)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("vault")
        .order_by("next_attempt_at", "created_at")[:AT_ONCE]
    )
    if not rows:
        return 0
    by_place: dict[UUID | None, list[AlertDelivery]] = {}
    for row in rows:
        by_place.setdefault(row.webhook_id, []).append(row)
    works = [_work(sending, place, members, now) for place, members in by_place.items()]
    with ThreadPoolExecutor(PLACES_AT_ONCE, thread_name_prefix="alerts") as threads:
        outcomes = list(threads.map(_guarded, works))
    delivered = 0
    for members, tried in zip(by_place.values(), outcomes, strict=True):
        delivered += _record(members, tried, now)
    return delivered


def prune_deliveries(now: datetime) -> None:
    """Deletes deliveries that have been finished for long. Idempotent."""
    AlertDelivery.objects.filter(finished_at__lt=now - KEPT).delete()


def _guarded(work: Callable[[], Attempts]) -> Attempts:
    try:
        return work()
    except Exception as error:
        # A border: what breaks for one place must not keep alerts from the others.
        log.exception("alert.broke")
        return [failed(f"A fault in the coordinator: {type(error).__name__}.", unreachable=True)]


def _work(
    sending: Sending, place: UUID | None, rows: Sequence[AlertDelivery], now: datetime
) -> Callable[[], Attempts]:
    """What a thread does for one place; everything it needs of the database is read here."""
    if place is not None:
        return _posts(sending, Webhook.objects.get(id=place), rows, now)
    if sending.server is None:
        return lambda: [failed("There is no mail server.", unreachable=True)]
    settings = AlertSetting.objects.filter(vault__in={row.vault_id for row in rows})
    locales = dict(settings.values_list("vault_id", "locale"))
    return _mails((sending.server, sending.monotonic), rows, locales, now)


def _posts(
    sending: Sending, webhook: Webhook, rows: Sequence[AlertDelivery], now: datetime
) -> Callable[[], Attempts]:
    try:
        keys = [sending.seal.open(bytes(webhook.sealed_secret), webhook.id)]
        if webhook.former_until is not None and webhook.former_until > now:
            with suppress(SealBrokenError):
                former = bytes(webhook.sealed_former_secret or b"")
                keys.append(sending.seal.open(former, webhook.id))
    except SealBrokenError as error:
        problem = f"{error}: rotate it."
        return lambda: [failed(problem, unreachable=True)]
    posts = [Post(row.id, webhook.url, keys, row.content) for row in rows]
    return lambda: _while_it_lasts(
        sending.monotonic, (post(each, sending.rules, now, sending.find) for each in posts)
    )


def _mails(
    tools: tuple[MailServer, Callable[[], float]],
    rows: Sequence[AlertDelivery],
    locales: Mapping[UUID, str],
    now: datetime,
) -> Callable[[], Attempts]:
    server, monotonic = tools
    messages = [
        (
            mail(row.content, locales.get(row.vault_id, ""), server.sender, (str(row.id), now)),
            row.address,
        )
        for row in rows
    ]
    for message, address in messages:
        message["To"] = address

    def send() -> Attempts:
        with mail_session(server) as session:
            if isinstance(session, Outcome):
                return [session]
            return _while_it_lasts(
                monotonic, (session.send(message, address) for message, address in messages)
            )

    return send


def _while_it_lasts(monotonic: Callable[[], float], attempts: Iterable[Outcome]) -> Attempts:
    """Tries one after the other, until the place cannot be reached or its time is over."""
    tried: Attempts = []
    begun = monotonic()
    for outcome in attempts:
        tried.append(outcome)
        if outcome.unreachable or monotonic() - begun > PLACE_SECONDS:
            break
    return tried


def _record(rows: Sequence[AlertDelivery], tried: Attempts, now: datetime) -> int:
    """Writes down what became of the deliveries of one place.

    What was not tried because the place cannot be reached is put off like what was; what was not
    tried for want of time stays due.
    """
    put_off = tried[-1] if tried[-1].unreachable else None
    outcomes = [*tried, *([put_off] * (len(rows) - len(tried)) if put_off is not None else [])]
    known = list(zip(rows, outcomes, strict=False))
    for row, outcome in known:
        row.attempts += 1
        row.problem = outcome.problem
        row.next_attempt_at = None if outcome.final else next_attempt(row.attempts, now)
        if outcome.delivered:
            row.state, row.content = DeliveryState.DELIVERED, remembered(row.content)
            row.next_attempt_at = None
        elif row.next_attempt_at is None:
            row.state = DeliveryState.DEAD
        row.finished_at = now if row.next_attempt_at is None else None
        _log(row)
    AlertDelivery.objects.bulk_update(
        [row for row, _ in known],
        ["attempts", "problem", "next_attempt_at", "state", "content", "finished_at"],
    )
    return sum(outcome.delivered for _, outcome in known)


def _log(row: AlertDelivery) -> None:
    facts = {
        "vault_id": str(row.vault_id),
        "delivery_id": str(row.id),
        "webhook_id": None if row.webhook_id is None else str(row.webhook_id),
        "attempts": row.attempts,
    }
    if row.state == DeliveryState.DELIVERED:
        log.info("alert.delivered", **facts)
    else:
        log.warning("alert.failed", **facts, state=str(row.state), problem=row.problem)
