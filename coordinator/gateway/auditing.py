"""The audit of the gateway: servers that register, and callers who are turned away."""

from __future__ import annotations

from datetime import datetime

from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest

from coordinator.events.audit.services import (
    INSTALLATION,
    Entry,
    Outcome,
    Refused,
    chain_of_vault,
    process_recorder,
)
from coordinator.fabrics.services import Registration, register_provider
from coordinator.failures import Failure
from coordinator.gateway.settings import GatewayContext
from coordinator.vaults.services import Authority

REGISTER = "OpenSiteRecovery/agents/register/action"
CONNECT = "OpenSiteRecovery/agents/connect/action"


def register_and_record(
    request: RegisterRequest, authority: Authority, now: datetime
) -> Registration:
    """`register_provider`, and the vault's audit says so in the same transaction.

    Raises:
        RefusedError: As there.
    """
    registration = register_provider(request, authority, now)
    provider, fabric, vault = registration.provider, registration.fabric, registration.vault
    entry = Entry(
        at=now,
        action=REGISTER,
        outcome=Outcome.SUCCEEDED,
        principal_id=str(provider.id),
        principal_type="Agent",
        principal_name=fabric.friendly_name,
        resource=f"/subscriptions/{vault.subscription_id}/resourceGroups/{vault.resource_group}"
        f"/providers/Microsoft.RecoveryServices/vaults/{vault.name}"
        f"/replicationFabrics/{fabric.name}",
        details={
            "certificate": provider.certificate_serial,
            "agentVersion": request.agent_version,
        },
    )
    process_recorder(authority.folder).record(chain_of_vault(vault), entry)
    return registration


async def note_denial(
    gateway: GatewayContext, action: str, failure: Failure, subject: str = ""
) -> None:
    """Records that a caller was turned away. The router in between hides its address.

    Args:
        gateway: The gateway.
        action: What it wanted.
        failure: What it is told.
        subject: Whose certificate it showed.
    """
    now = gateway.clock()

    def describe() -> Refused:
        return INSTALLATION, Entry(
            at=now,
            action=action,
            outcome=Outcome.DENIED,
            principal_type="Agent",
            code=failure.code[:128],
            details={"certificate": subject[:128]} if subject else {},
        )

    await gateway.refusals.note("", "", now, describe)
