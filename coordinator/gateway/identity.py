"""Who calls: from the certificate of the TLS connection, and from nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import grpc
from cryptography import x509

from coordinator.fabrics.services import ProviderIdentity, authenticate
from coordinator.failures import Failure, RefusedError
from coordinator.gateway.auditing import CONNECT, note_denial
from coordinator.gateway.database import DatabaseAwayError
from coordinator.gateway.refusals import AWAY, abort
from coordinator.gateway.settings import GatewayContext

NO_CERTIFICATE = Failure(
    "ProviderCertificateMissing",
    "The caller shows no certificate.",
    ("The agent is not registered.",),
    "Register the server with a registration key.",
)


async def identify(
    context: grpc.aio.ServicerContext[Any, Any], gateway: GatewayContext
) -> ProviderIdentity:
    """The provider that calls; a call of anybody else is ended here, as UNAUTHENTICATED."""
    certificates = list(context.auth_context().get("x509_pem_cert", []))
    if not certificates:
        await note_denial(gateway, CONNECT, NO_CERTIFICATE)
        await abort(context, grpc.StatusCode.UNAUTHENTICATED, NO_CERTIFICATE)
    try:
        return await gateway.database.run(read_identity, certificates[0], gateway.clock())
    except RefusedError as error:
        await note_denial(gateway, CONNECT, error.failure, subject_of(certificates[0]))
        await abort(context, grpc.StatusCode.UNAUTHENTICATED, error.failure)
    except DatabaseAwayError:
        await abort(context, grpc.StatusCode.UNAVAILABLE, AWAY)


def subject_of(pem: bytes) -> str:
    """Whom a certificate names; the one that TLS has accepted can be read."""
    return x509.load_pem_x509_certificate(pem).subject.rfc4514_string()


def read_identity(pem: bytes, now: datetime) -> ProviderIdentity:
    return authenticate(x509.load_pem_x509_certificate(pem), now)
