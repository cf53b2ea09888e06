"""The Registration service: the only calls answered to clients without a certificate."""

from __future__ import annotations

from typing import Any

import grpc
import structlog
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.timestamp_pb2 import Timestamp
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest, RegisterResponse
from opensiterecovery.provider.v1.registration_pb2_grpc import RegistrationServicer

from coordinator.failures import RefusedError
from coordinator.gateway.auditing import REGISTER, note_denial, register_and_record
from coordinator.gateway.database import DatabaseAwayError
from coordinator.gateway.refusals import AWAY, BROKEN, abort, status_of
from coordinator.gateway.settings import GatewayContext

log = structlog.get_logger(__name__)


class RegistrationService(RegistrationServicer):
    """Trades registration keys for identities."""

    def __init__(self, gateway: GatewayContext) -> None:
        self._gateway = gateway

    async def Register(  # noqa: N802 - gRPC names methods as the protocol does
        self,
        request: RegisterRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> RegisterResponse:
        """Registers the calling server; see the protocol."""
        gateway = self._gateway
        try:
            registration = await gateway.database.run(
                register_and_record, request, gateway.authority, gateway.clock()
            )
        except RefusedError as error:
            log.warning("registration.refused", code=error.failure.code)
            await note_denial(gateway, REGISTER, error.failure)
            await abort(context, status_of(error), error.failure)
        except DatabaseAwayError:
            await abort(context, grpc.StatusCode.UNAVAILABLE, AWAY)
        except Exception:
            log.exception("registration.broke")
            await abort(context, grpc.StatusCode.INTERNAL, BROKEN)
        not_after = Timestamp()
        not_after.FromDatetime(registration.certificate.not_valid_after_utc)
        return RegisterResponse(
            provider_id=str(registration.provider.id),
            fabric_id=str(registration.fabric.id),
            vault_id=str(registration.vault.id),
            vault_name=registration.vault.name,
            certificate=registration.certificate.public_bytes(Encoding.DER),
            issuers=[gateway.authority.der],
            not_after=not_after,
        )
