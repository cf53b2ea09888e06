"""Names that jobs, hosts and authorizations of pairings are known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coordinator.fabrics.models import Host
    from coordinator.protection.models import Pairing


# The outbox task that begins to remove superseded certificates.
RETIRE_TASK = "protection.retire_certificates"


def pairing_lock(pairing: Pairing) -> str:
    """Key of the lock that the one job of a pairing holds."""
    return f"pairing:{pairing.id}"


def host_lock(host: Host) -> str:
    """Key of a host's lock: it may serve several clouds, and one job at a time configures it."""
    return f"host:{host.pk}"


def host_lock_of(host_id: int) -> str:
    """As host_lock, by the host's id."""
    return f"host:{host_id}"


def trust_group_of(pairing: Pairing) -> str:
    """Label that the authorizations of a pairing carry on its hosts."""
    return f"osr-{pairing.id}"
