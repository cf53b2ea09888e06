"""The verbs of alerts: settings, webhooks, and having what was given up delivered again."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import uuid4

import structlog
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from coordinator.events.alerting.addresses import WebhookRules, check_url, read_networks
from coordinator.events.alerting.queries import find_webhook
from coordinator.events.alerting.sealing import Seal, ensure_seal
from coordinator.events.alerting.signing import OVERLAP, new_secret
from coordinator.events.alerting.states import DeliveryState
from coordinator.events.alerting.telling import tell_test
from coordinator.events.models import AlertDelivery, AlertSetting, Webhook
from coordinator.events.states import EventType, Severity
from coordinator.failures import refuse
from coordinator.secret import Secret
from coordinator.vaults.models import Vault

__all__ = [
    "Seal",
    "WebhookDraft",
    "WebhookRules",
    "delete_webhook",
    "ensure_seal",
    "put_webhook",
    "read_networks",
    "redeliver",
    "rotate_secret",
    "set_alerts",
    "try_webhook",
]

log = structlog.get_logger(__name__)

MOST_ADDRESSES = 20
LONGEST_ADDRESS = 254
MOST_WEBHOOKS = 20
DEFAULT_LOCALE = "en-US"
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class WebhookDraft:
    """What somebody wants of a webhook.

    Attributes:
        url: Where requests go.
        enabled: Whether events are posted.
        event_types: Which; empty: all.
        severities: Likewise.
    """

    url: str
    enabled: bool = True
    event_types: Sequence[str] = ()
    severities: Sequence[str] = ()


def set_alerts(
    vault: Vault, addresses: Sequence[str], locale: str, *, send_to_owners: bool
) -> AlertSetting:
    """Says who is sent e-mail about a vault.

    Args:
        vault: The vault.
        addresses: Beside the owners; at most 20.
        locale: Of the mails, for example "zh-CN"; "": English.
        send_to_owners: Whether people who own the vault are sent it.

    Raises:
        RefusedError: An address or the locale is none.

    Idempotent. Source: SPEC EV-2.
    """
    locale = locale or DEFAULT_LOCALE
    if not _LOCALE.fullmatch(locale):
        raise refuse(
            "AlertSettingInvalid",
            f'"{locale[:64]}" is no locale.',
            causes=["It is misspelt."],
            action="Give one as en-US or zh-CN.",
            field="properties.locale",
        )
    if len(addresses) > MOST_ADDRESSES:
        raise _bad_address(f"{len(addresses)} addresses are too many: {MOST_ADDRESSES} at most.")
    for address in addresses:
        _check_address(address)
    setting, _ = AlertSetting.objects.update_or_create(
        vault=vault,
        defaults={
            "send_to_owners": send_to_owners,
            "addresses": list(dict.fromkeys(addresses)),
            "locale": locale,
        },
    )
    log.info("alert_setting.changed", vault_id=str(vault.id), addresses=len(setting.addresses))
    return setting


def put_webhook(
    vault: Vault,
    name: str,
    draft: WebhookDraft,
    tools: tuple[Seal, WebhookRules],
    by: str,
    now: datetime,
) -> tuple[Webhook, Secret | None]:
    """Makes a webhook, or changes it.

    Args:
        vault: The vault.
        name: Its name in addresses; in any case the same.
        draft: What it shall be.
        tools: Seals its secret; says where it may lead.
        by: Who makes it.
        now: The time.

    Returns:
        The webhook, and its secret if it was made now: it is shown this once.

    Raises:
        RefusedError: The name, URL or one of the filters is none.

    Source: SPEC EV-2.
    """
    seal, rules = tools
    check_url(draft.url, rules)
    _check_values("eventTypes", draft.event_types, list(EventType))
    _check_values("severities", draft.severities, list(Severity))
    wanted = {
        "url": draft.url,
        "enabled": draft.enabled,
        "event_types": list(draft.event_types),
        "severities": list(draft.severities),
    }
    # Two that make one of the same name at once take turns.
    Vault.objects.select_for_update(no_key=True).get(id=vault.id)
    known = find_webhook(vault.id, name)
    if known is not None:
        Webhook.objects.filter(id=known.id).update(**wanted)
        known.refresh_from_db()
        log.info("webhook.changed", vault_id=str(vault.id), webhook_id=str(known.id))
        return known, None
    _check_room(vault, name)
    secret, webhook_id = new_secret(), uuid4()
    webhook = Webhook.objects.create(
        id=webhook_id,
        vault=vault,
        name=name,
        sealed_secret=seal.seal(secret, webhook_id),
        created_at=now,
        created_by=by,
        **wanted,
    )
    log.info("webhook.made", vault_id=str(vault.id), webhook_id=str(webhook_id), by=by)
    return webhook, secret


def rotate_secret(webhook: Webhook, seal: Seal, now: datetime) -> Secret:
    """Gives a webhook a new secret; for a day requests are signed with the former one as well."""
    secret = new_secret()
    webhook.sealed_former_secret = bytes(webhook.sealed_secret)
    webhook.former_until = now + OVERLAP
    webhook.sealed_secret = seal.seal(secret, webhook.id)
    webhook.save(update_fields=["sealed_former_secret", "former_until", "sealed_secret"])
    log.info("webhook.rotated", vault_id=str(webhook.vault_id), webhook_id=str(webhook.id))
    return secret


def delete_webhook(webhook: Webhook) -> None:
    """Deletes a webhook with what was on its way to it. Idempotent."""
    log.info("webhook.deleted", vault_id=str(webhook.vault_id), webhook_id=str(webhook.id))
    webhook.delete()


def try_webhook(webhook: Webhook, now: datetime) -> AlertDelivery:
    """Has a request sent that tells of nothing.

    Raises:
        RefusedError: WebhookDisabled, status 409.
    """
    if not webhook.enabled:
        raise refuse(
            "WebhookDisabled",
            f"The webhook {webhook.name} is disabled: nothing is sent to it.",
            causes=["Somebody disabled it."],
            action="Enable it, then repeat the request.",
            status=HTTPStatus.CONFLICT,
        )
    return tell_test(webhook, now)


def redeliver(delivery: AlertDelivery, now: datetime) -> AlertDelivery:
    """Has a delivery that was given up tried again, as often as a new one.

    Raises:
        RefusedError: DeliveryNotDead, status 409.
    """
    if delivery.state != DeliveryState.DEAD:
        raise refuse(
            "DeliveryNotDead",
            f"The delivery {delivery.id} is {delivery.state}: only one that was given up is "
            "delivered again.",
            causes=["It has been delivered, or is still tried."],
            action="List the deliveries and choose one that is Dead.",
            status=HTTPStatus.CONFLICT,
        )
    delivery.state = DeliveryState.PENDING
    delivery.attempts = 0
    delivery.next_attempt_at = now
    delivery.finished_at = None
    delivery.save(update_fields=["state", "attempts", "next_attempt_at", "finished_at"])
    log.info("alert.asked_again", vault_id=str(delivery.vault_id), delivery_id=str(delivery.id))
    return delivery


def _check_address(address: str) -> None:
    if len(address) > LONGEST_ADDRESS:
        raise _bad_address(f"An address is longer than {LONGEST_ADDRESS} letters.")
    try:
        validate_email(address)
    except ValidationError as error:
        raise _bad_address(f'"{address}" is no e-mail address.') from error


def _bad_address(message: str) -> Exception:
    return refuse(
        "AlertSettingInvalid",
        message,
        causes=["It is misspelt.", "Several addresses are given as one text."],
        action="Give each address as name@example.com, as an element of its own.",
        field="properties.customEmailAddresses",
    )


def _check_values(name: str, given: Collection[str], known: Collection[str]) -> None:
    unknown = [value for value in given if value not in set(known)]
    if unknown:
        raise refuse(
            "WebhookInvalid",
            f'"{unknown[0][:64]}" is none of {name}.',
            causes=["It is misspelt."],
            action=f"Use some of {', '.join(sorted(known))}, or leave {name} out for all.",
            field=f"properties.{name}",
        )


def _check_room(vault: Vault, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise refuse(
            "WebhookInvalid",
            "The webhook's name is none.",
            causes=["It is longer than 64 letters, or has others than letters, digits and -_."],
            action="Choose another name.",
            field="name",
        )
    if Webhook.objects.filter(vault=vault).count() >= MOST_WEBHOOKS:
        raise refuse(
            "TooManyWebhooks",
            f"The vault {vault.name} has {MOST_WEBHOOKS} webhooks already.",
            causes=["Some are of no use any more."],
            action="Delete one, then repeat the request.",
            status=HTTPStatus.CONFLICT,
        )
