"""Trades a registration key for an identity."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import grpc
import structlog
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.registration_pb2 import (
    RegisterRequest,
    RegisterResponse,
    VmmServer,
)
from opensiterecovery.provider.v1.registration_pb2_grpc import RegistrationStub

from agent.failures import CommandError, failure
from agent.identity import (
    CertificateMismatchError,
    Identity,
    certificate_chain,
    certificate_request,
    pending_private_key,
    save_identity,
)
from agent.registration_key import RegistrationKey
from agent.secret_bytes import SecretBytes
from agent.session.connection import registration_channel
from agent.session.refusal import told_failure
from agent.state_folder import StateFolder

log = structlog.get_logger(__name__)

_CALL_SECONDS: Final = 30.0
_AWAY: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


class RegistrationRefusedError(CommandError):
    """The coordinator said no; the failure is its own."""


class CoordinatorUnreachableError(CommandError):
    """There was no answer that can be trusted; repeating is safe."""


@dataclass(frozen=True)
class Applicant:
    """Who wants to be registered.

    Attributes:
        friendly_name: Shown in the vault; on a VMM cluster the name of the cluster role.
        vmm_server: What VMM says about itself.
        agent_version: Version of this distribution.
        synchronize_all_clouds: Whether every cloud's metadata goes to the vault.
    """

    friendly_name: str
    vmm_server: VmmServer
    agent_version: str
    synchronize_all_clouds: bool


class Registrar(Protocol):
    """Calls the coordinator; the real one is `call_coordinator`."""

    async def __call__(self, key: RegistrationKey, request: RegisterRequest) -> RegisterResponse:
        """Sends the request to the endpoint of the key."""


async def call_coordinator(key: RegistrationKey, request: RegisterRequest) -> RegisterResponse:
    """Calls Registration.Register at the endpoint the key names, trusting only the key's CA."""
    async with registration_channel(key.endpoint, key.ca_certificate) as channel:
        answer = await RegistrationStub(channel).Register(request, timeout=_CALL_SECONDS)
    if not isinstance(answer, RegisterResponse):
        raise TypeError("the stub gave no RegisterResponse")
    return answer


async def register(
    folder: StateFolder,
    key: RegistrationKey,
    applicant: Applicant,
    registrar: Registrar = call_coordinator,
) -> Identity:
    """Registers this agent and keeps what it was given.

    Args:
        folder: Where the identity goes.
        key: Already checked; see `read_registration_key`.
        applicant: Who wants to be registered.
        registrar: Calls the coordinator.

    Returns:
        The identity, which is on disk.

    Raises:
        RegistrationRefusedError: The coordinator said why; the same key does not help later.
        CoordinatorUnreachableError: Trying again can help.

    Idempotent: the private key is kept before the call, so repeating after a crash asks for the
    same provider and does not use the registration key up again.

    Source: SPEC EN-2, EN-9, VA-3.
    """
    private_key = await asyncio.to_thread(pending_private_key, folder.pending_key)
    request = RegisterRequest(
        registration_key=key.content.reveal(),
        certificate_request=certificate_request(private_key),
        friendly_name=applicant.friendly_name,
        vmm_server=applicant.vmm_server,
        agent_version=applicant.agent_version,
        synchronize_all_clouds=applicant.synchronize_all_clouds,
    )
    try:
        response = await registrar(key, request)
        identity = _identity(key, applicant, private_key, response)
    except grpc.aio.AioRpcError as error:
        raise _refused_or_away(key, error) from error
    except (CertificateMismatchError, ValueError) as error:
        raise CoordinatorUnreachableError(_unusable_answer(key, error)) from error
    await asyncio.to_thread(save_identity, folder.identity, identity)
    await asyncio.to_thread(folder.pending_key.unlink, missing_ok=True)
    log.info(
        "agent.registered",
        vault=identity.vault_name,
        provider_id=str(identity.provider_id),
        endpoint=identity.endpoint,
        not_after=identity.not_after.isoformat(),
    )
    return identity


def _identity(
    key: RegistrationKey,
    applicant: Applicant,
    private_key: SecretBytes,
    response: RegisterResponse,
) -> Identity:
    return Identity(
        provider_id=UUID(response.provider_id),
        fabric_id=UUID(response.fabric_id),
        vault_id=UUID(response.vault_id),
        vault_name=response.vault_name,
        friendly_name=applicant.friendly_name,
        endpoint=key.endpoint,
        ca_certificate=key.ca_certificate,
        certificate_chain=certificate_chain(private_key, response.certificate, response.issuers),
        private_key=private_key,
        vmm_fqdn=applicant.vmm_server.fqdn,
        vmm_product_version=applicant.vmm_server.product_version,
    )


def _refused_or_away(key: RegistrationKey, error: grpc.aio.AioRpcError) -> CommandError:
    told = told_failure(error)
    if told is not None:
        # A coordinator whose own database is away says so, and means "later".
        return (CoordinatorUnreachableError if told.transient else RegistrationRefusedError)(told)
    if error.code() in _AWAY:
        return CoordinatorUnreachableError(
            failure(
                "CoordinatorUnreachable",
                f"The coordinator at {key.endpoint} could not be reached: {error.details()}",
                [
                    "The endpoint's name cannot be resolved from this server.",
                    "A firewall, or a proxy that inspects TLS, is between.",
                    "Another coordinator answers at this endpoint than the one that made the key.",
                ],
                "Check that this server reaches the endpoint over TCP, then run the same command"
                " again.",
                transient=True,
            )
        )
    return RegistrationRefusedError(
        failure(
            "RegistrationRefused",
            f"The coordinator at {key.endpoint} refused the registration:"
            f" {error.code().name} {error.details()}",
            ["The coordinator is of a version that does not fit to the agent."],
            "Look at the coordinator's log.",
        )
    )


def _unusable_answer(key: RegistrationKey, error: Exception) -> Failure:
    return failure(
        "RegistrationAnswerUnusable",
        f"The answer of the coordinator at {key.endpoint} cannot be used: {error}.",
        ["The coordinator is of a version that does not fit to the agent."],
        "Bring coordinator and agent to versions that fit, then run the same command again.",
    )
