"""A new certificate before the old one expires."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import grpc
import structlog
from opensiterecovery.provider.v1.session_pb2 import RenewCertificateRequest

from agent.clock import Clock
from agent.identity import (
    CertificateMismatchError,
    Identity,
    certificate_chain,
    certificate_request,
    pending_private_key,
    save_identity,
)
from agent.session.refusal import told_failure
from agent.state_folder import StateFolder

if TYPE_CHECKING:
    # Exists only in the stub file of the generated module.
    from opensiterecovery.provider.v1.session_pb2_grpc import SessionAsyncStub

log = structlog.get_logger(__name__)

_CALL_SECONDS: Final = 30.0


def renewal_time(not_before: datetime, not_after: datetime) -> datetime:
    """When less than a third of the lifetime is left."""
    return not_after - (not_after - not_before) / 3


class CertificateRenewal:
    """Renews the identity's certificate when its time has come."""

    def __init__(
        self, folder: StateFolder, clock: Clock, *, look_interval_seconds: float = 3600.0
    ) -> None:
        """Makes a renewal.

        Args:
            folder: Where the identity is kept.
            clock: The time.
            look_interval_seconds: Longest time between two looks at the clock, and the wait after
                a renewal that failed.
        """
        self._folder = folder
        self._clock = clock
        self._look_interval_seconds = look_interval_seconds

    async def run(self, identity: Identity, stub: SessionAsyncStub) -> None:
        """Waits until the certificate is due and renews it; returns after it was renewed."""
        due = renewal_time(identity.not_before, identity.not_after)
        while True:
            left_seconds = (due - self._clock()) / timedelta(seconds=1)
            if left_seconds <= 0 and await self._renewed(identity, stub):
                return
            # Not one long sleep: the clock may be set, and the machine may be suspended.
            wait = left_seconds if left_seconds > 0 else self._look_interval_seconds
            await asyncio.sleep(min(wait, self._look_interval_seconds))

    async def _renewed(self, identity: Identity, stub: SessionAsyncStub) -> bool:
        try:
            await self.renew(identity, stub)
        except grpc.aio.AioRpcError as error:
            told = told_failure(error)
            log.warning(
                "certificate.renewal_failed",
                status=error.code().name,
                reason=told.message if told else error.details(),
                not_after=identity.not_after.isoformat(),
            )
            return False
        except CertificateMismatchError as error:
            log.warning("certificate.renewal_failed", reason=str(error))
            return False
        return True

    async def renew(self, identity: Identity, stub: SessionAsyncStub) -> Identity:
        """Asks for a certificate for a new key and keeps both.

        Returns:
            The identity that the next session uses.

        Raises:
            grpc.aio.AioRpcError: Refused, or the coordinator is away; the old one stays in use.
            CertificateMismatchError: The answer does not fit; the old one stays in use.
        """
        key = await asyncio.to_thread(pending_private_key, self._folder.pending_key)
        request = RenewCertificateRequest(certificate_request=certificate_request(key))
        answer = await stub.RenewCertificate(request, timeout=_CALL_SECONDS)
        chain = certificate_chain(key, answer.certificate, answer.issuers)
        renewed = replace(identity, private_key=key, certificate_chain=chain)
        await asyncio.to_thread(save_identity, self._folder.identity, renewed)
        await asyncio.to_thread(self._folder.pending_key.unlink, missing_ok=True)
        log.info("certificate.renewed", not_after=renewed.not_after.isoformat())
        return renewed
