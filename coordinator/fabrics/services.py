"""The fabrics domain's verbs: registration, sessions, certificates, inventory."""

from __future__ import annotations

from coordinator.fabrics.certificates import ProviderIdentity, authenticate
from coordinator.fabrics.inventory import InventoryOutcome, apply_inventory
from coordinator.fabrics.registration import Registration, register_provider
from coordinator.fabrics.sessions import (
    OpenedSession,
    SessionOpening,
    SessionRef,
    close_session,
    heartbeat,
    heartbeat_many,
    open_session,
    renew_certificate,
    unregister_provider,
)
from coordinator.fabrics.settled import settle_machine

__all__ = [
    "InventoryOutcome",
    "OpenedSession",
    "ProviderIdentity",
    "Registration",
    "SessionOpening",
    "SessionRef",
    "apply_inventory",
    "authenticate",
    "close_session",
    "heartbeat",
    "heartbeat_many",
    "open_session",
    "register_provider",
    "renew_certificate",
    "settle_machine",
    "unregister_provider",
]
