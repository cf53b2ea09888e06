"""Saying when a VMM server is lost, and when it is back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from coordinator.events.services import EventDraft, clear_events, raise_events
from coordinator.events.states import EventType, Severity
from coordinator.fabrics.models import Provider
from coordinator.fabrics.queries import is_connected
from coordinator.failures import Failure
from coordinator.protection.roles.holding import clear_decided

WATCH_TASK = "protection.watch_servers"
WATCH_PERIOD = timedelta(seconds=10)
# An agent that is restarted is not lost.
LOST_AFTER = timedelta(seconds=30)
# Providers renew their certificates when ten days are left.
ENDING = timedelta(days=7)


def lost_key(provider: Provider) -> str:
    """Key of the event that says that a server is lost."""
    return f"server-lost:{provider.id}"


def ending_key(provider: Provider) -> str:
    """Key of the event that says that a provider's certificate ends soon."""
    return f"certificate:{provider.id}"


def watch_servers(now: datetime) -> None:
    """Raises and clears the events of servers, and of copies about which somebody decided.

    Idempotent. Source: SPEC EV-1, EN-10.
    """
    lease_seconds = settings.CONFIGURATION.lease_seconds
    providers = Provider.objects.filter(unregistered_at=None).select_related("fabric")
    drafts: list[EventDraft] = []
    over: dict[UUID, list[str]] = {}
    for provider in providers:
        well = over.setdefault(provider.vault_id, [])
        heard_at = provider.last_heartbeat_at
        if heard_at is not None and is_connected(provider, now, lease_seconds):
            well.append(lost_key(provider))
        elif heard_at is not None and now - heard_at > LOST_AFTER:
            drafts.append(_lost(provider, heard_at))
        if provider.certificate_not_after - now < ENDING:
            drafts.append(_ending(provider))
        else:
            well.append(ending_key(provider))
    raise_events(drafts, now)
    for vault_id, keys in over.items():
        clear_events(vault_id, keys, now)
    clear_decided(now)


def _lost(provider: Provider, since: datetime) -> EventDraft:
    name = provider.fabric.friendly_name
    return _event(
        provider,
        lost_key(provider),
        (EventType.SERVER_HEALTH, Severity.CRITICAL),
        Failure(
            "25018",
            f"{name} is not connected: nothing was heard of its provider since "
            f"{since:%Y-%m-%d %H:%M:%S} UTC.",
            (
                "The site is down.",
                "The provider's service is stopped, or its server is down.",
                "The network between it and the coordinator is interrupted.",
            ),
            "If the site is down, fail its machines over without plan. Otherwise start the "
            "provider's service, or mend the network; it connects again by itself.",
        ),
    )


def _ending(provider: Provider) -> EventDraft:
    name = provider.fabric.friendly_name
    return _event(
        provider,
        ending_key(provider),
        (EventType.AGENT_HEALTH, Severity.WARNING),
        Failure(
            "ProviderCertificateEnding",
            f"The certificate of the provider on {name} ends on "
            f"{provider.certificate_not_after:%Y-%m-%d} and was not renewed.",
            (
                "The provider was away for long: it renews its certificate while it is connected.",
                "The clock of its server is wrong.",
            ),
            "Start the provider's service and look at the server's clock. Once the certificate has "
            "ended the server must be registered anew.",
        ),
    )


def _event(
    provider: Provider, key: str, kind: tuple[EventType, Severity], failure: Failure
) -> EventDraft:
    """An event about a provider's server."""
    return EventDraft(
        vault_id=provider.vault_id,
        type=kind[0],
        severity=kind[1],
        failure=failure,
        affected_type="Server",
        affected_id=str(provider.fabric_id),
        affected_name=provider.fabric.friendly_name,
        fabric_name=provider.fabric.name,
        key=key,
    )
