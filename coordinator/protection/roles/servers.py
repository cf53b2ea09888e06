"""Saying when a VMM server is lost, and when it is back."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from coordinator.events.services import EventDraft, clear_event, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.fabrics.models import Provider
from coordinator.fabrics.queries import is_connected
from coordinator.failures import Failure
from coordinator.protection.roles.holding import clear_decided

WATCH_TASK = "protection.watch_servers"
WATCH_PERIOD = timedelta(seconds=10)
# An agent that is restarted is not lost.
LOST_AFTER = timedelta(seconds=30)


def lost_key(provider: Provider) -> str:
    """Key of the event that says that a server is lost."""
    return f"server-lost:{provider.id}"


def watch_servers(now: datetime) -> None:
    """Raises and clears the events of servers, and of copies about which somebody decided.

    Idempotent. Source: SPEC EV-1, EN-10.
    """
    lease_seconds = settings.CONFIGURATION.lease_seconds
    providers = Provider.objects.filter(unregistered_at=None).select_related("fabric")
    for provider in providers.exclude(last_heartbeat_at=None):
        if is_connected(provider, now, lease_seconds):
            clear_event(provider.vault_id, lost_key(provider), now)
        elif provider.last_heartbeat_at and now - provider.last_heartbeat_at > LOST_AFTER:
            raise_event(_lost(provider, provider.last_heartbeat_at), now)
    clear_decided(now)


def _lost(provider: Provider, since: datetime) -> EventDraft:
    name = provider.fabric.friendly_name
    return EventDraft(
        vault_id=provider.vault_id,
        type=EventType.SERVER_HEALTH,
        severity=Severity.CRITICAL,
        failure=Failure(
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
        affected_type="Server",
        affected_id=str(provider.fabric_id),
        affected_name=name,
        fabric_name=provider.fabric.name,
        key=lost_key(provider),
    )
