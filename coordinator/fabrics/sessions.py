"""The one live stream of a provider: who holds it, whether it still lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from cryptography import x509
from django.db import connection

from coordinator.fabrics.certificates import (
    ProviderIdentity,
    check_certificate,
    refused,
    serial_text,
)
from coordinator.fabrics.forgetting import forget_fabric
from coordinator.fabrics.models import Fabric, Provider
from coordinator.fabrics.registration import public_key_sha256
from coordinator.failures import refuse
from coordinator.vaults.services import Authority

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SessionOpening:
    """What an agent says when its stream begins.

    Attributes:
        certificate_serial: Of the certificate it came with.
        gateway_id: The gateway process that holds the stream.
        agent_version: For people.
        capabilities: Names of the command verbs it can carry out.
        vmm_product_version: As VMM says now; empty keeps what is known.
    """

    certificate_serial: str
    gateway_id: str
    agent_version: str
    capabilities: tuple[str, ...] = ()
    vmm_product_version: str = ""


class OpenedSession(NamedTuple):
    """A session that has just begun.

    Attributes:
        fence: Its number; a later session has a higher one.
        inventory_revision: That the coordinator holds; 0: none.
        chosen_clouds_only: The agent is to tell of clouds that were chosen in VMM only.
    """

    fence: int
    inventory_revision: int
    chosen_clouds_only: bool = False


class SessionRef(NamedTuple):
    """Who a stream belongs to, and its number."""

    identity: ProviderIdentity
    fence: int


def is_current(session: SessionRef) -> bool:
    """Whether it is its provider's newest session, and the provider is registered."""
    return Provider.objects.filter(
        pk=session.identity.provider_id, fence=session.fence, unregistered_at=None
    ).exists()


def open_session(provider_id: UUID, opening: SessionOpening, now: datetime) -> OpenedSession:
    """Makes a stream the provider's only one; any older one is superseded from now on.

    Raises:
        RefusedError: ProviderUnknown, ProviderUnregistered or ProviderCertificateRevoked.

    Source: SPEC EN-7, EN-9; DESIGN "Growing": a lease row with a fencing number.
    """
    # The row of the fabric first: whoever applies an inventory holds it, see `apply_inventory`.
    fabric = (
        Fabric.objects.select_for_update(of=("self",), no_key=True)
        .filter(providers__id=provider_id)
        .first()
    )
    provider = lock_provider(provider_id)
    check_certificate(provider, opening.certificate_serial)
    if opening.certificate_serial == provider.certificate_serial:
        provider.previous_certificate_serial = ""
    provider.fence += 1
    provider.gateway_id = opening.gateway_id
    provider.connected_at = now
    provider.last_heartbeat_at = now
    provider.disconnected_at = None
    provider.agent_version = opening.agent_version[:64]
    provider.capabilities = sorted(set(opening.capabilities))
    provider.save()
    fabric = fabric or provider.fabric
    if opening.vmm_product_version:
        fabric.vmm_product_version = opening.vmm_product_version[:64]
        fabric.save(update_fields=["vmm_product_version"])
    return OpenedSession(
        provider.fence, fabric.inventory_revision, not fabric.synchronize_all_clouds
    )


def heartbeat(provider_id: UUID, fence: int, now: datetime) -> bool:
    """Notes that the session lives.

    Returns:
        False when it is superseded, or its provider unregistered: the stream has to end.
    """
    return provider_id in heartbeat_many({provider_id: fence}, now)


def heartbeat_many(fences: Mapping[UUID, int], now: datetime) -> set[UUID]:
    """Notes that many sessions live, in one statement.

    Args:
        fences: Fence of each provider's session.
        now: When they were heard of.

    Returns:
        Providers whose session is still the one; the others' streams have to end.
    """
    if not fences:
        return set()
    # Rows are locked in one order, so that two gateways cannot wait for each other.
    statement = """
        WITH beat AS MATERIALIZED (
            SELECT provider.id
            FROM fabrics_provider AS provider
            JOIN unnest(%s::uuid[], %s::bigint[]) AS heard (id, fence)
              ON heard.id = provider.id AND heard.fence = provider.fence
            WHERE provider.unregistered_at IS NULL
            ORDER BY provider.id
            FOR NO KEY UPDATE OF provider
        )
        UPDATE fabrics_provider AS provider
        SET last_heartbeat_at = %s
        FROM beat
        WHERE beat.id = provider.id
        RETURNING provider.id
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(fences), list(fences.values()), now])
        return {row[0] for row in cursor.fetchall()}


def close_session(provider_id: UUID, fence: int, now: datetime) -> None:
    """Notes that the stream ended; does nothing when a newer one has begun. Idempotent."""
    Provider.objects.filter(pk=provider_id, fence=fence, disconnected_at=None).update(
        disconnected_at=now
    )


def renew_certificate(
    identity: ProviderIdentity, certificate_request: bytes, authority: Authority, now: datetime
) -> x509.Certificate:
    """A new certificate for a provider that holds a good one.

    The old one stays good until the new one is first used to open a session: the answer may be
    lost on its way.

    Raises:
        RefusedError: CertificateRequestInvalid, PublicKeyInUse, ProviderUnknown,
            ProviderUnregistered or ProviderCertificateRevoked.

    Source: SPEC EN-9.
    """
    provider = lock_provider(identity.provider_id)
    check_certificate(provider, identity.certificate_serial)
    digest = public_key_sha256(certificate_request)
    if Provider.objects.filter(public_key_sha256=digest).exclude(pk=provider.pk).exists():
        raise refuse(
            "PublicKeyInUse",
            "The certificate request carries the key of another registered server.",
            causes=["The server is a copy of another registered server."],
            action="Register one of the two servers again.",
            status=409,
        )
    certificate = authority.issue_provider_certificate(
        certificate_request, provider.vault_id, provider.id, now
    )
    provider.previous_certificate_serial = identity.certificate_serial
    provider.certificate_serial = serial_text(certificate)
    provider.certificate_not_after = certificate.not_valid_after_utc
    provider.public_key_sha256 = digest
    provider.save()
    log.info("provider.certificate_renewed", provider_id=str(provider.id))
    return certificate


def unregister_provider(provider_id: UUID, now: datetime) -> None:
    """Ends a provider: its certificates and its session stop working at once. Idempotent.

    What was kept about its server goes with it: only the rows by which its certificate is
    recognised, and refused, stay.

    Raises:
        RefusedError: FabricInUse, status 409: clouds or machines of the server are still used.

    Source: SPEC EN-8, PV-1.
    """
    fabric = (
        Fabric.objects.select_for_update(of=("self",), no_key=True)
        .filter(providers__id=provider_id)
        .first()
    )
    ended = Provider.objects.filter(pk=provider_id, unregistered_at=None).update(
        unregistered_at=now, agent_version="", capabilities=[]
    )
    if ended and fabric is not None:
        forget_fabric(fabric)
        log.info("provider.unregistered", provider_id=str(provider_id))


def lock_provider(provider_id: UUID) -> Provider:
    provider = Provider.objects.select_for_update(no_key=True).filter(pk=provider_id).first()
    if provider is None:
        raise refused(
            "ProviderUnknown",
            "The provider is not registered.",
            "The server was removed from the vault, or the vault was deleted.",
        )
    return provider
