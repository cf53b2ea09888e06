"""The primary's end of a connection to a replica server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy.lab.site.addresses import NameRecord, bindable_port
from deploy.lab.site.certificates import CertificateStore
from deploy.lab.site.clusters import replication_name
from deploy.lab.site.frames import FrameError, read_frame, write_frame
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.links import Place
from deploy.lab.site.replication_model import Authentication
from deploy.lab.site.tls import check_peer, client_context

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host


@dataclass(frozen=True)
class Endpoint:
    """Where and how to connect."""

    server: str
    port: int
    authentication: Authentication
    thumbprint: str


class ReplicaConnection:
    """Requests and answers, one at a time."""

    def __init__(
        self,
        site: SiteCore,
        ends: tuple[Place, Place],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._site = site
        self._ends = ends
        self._reader, self._writer = streams

    async def request(
        self, kind: str, header: Mapping[str, Any], body: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its answer.

        Raises:
            LinkError: The connection broke, the sites are cut, or the replica server refused.
        """
        delay_seconds = self._site.links.seconds_for(*self._ends, len(body))
        if delay_seconds:
            await self._site.clock.pause(delay_seconds)
        answer, answer_body = await self._exchange(
            {"kind": kind, **header}, body, self._site.environment.answer_timeout_seconds
        )
        if "failure" in answer:
            raise LinkError(LinkFailure(answer["failure"]), answer["detail"])
        self._site.sent_bytes += len(body)
        return answer, answer_body

    async def be_welcomed(self) -> None:
        """Wait for the server's first frame: only now is our certificate known to be accepted.

        Raises:
            LinkError: Aborted, when the server ended the connection instead.
        """
        await self._exchange(None, b"", self._site.environment.connect_timeout_seconds)

    async def _exchange(
        self, frame: dict[str, Any] | None, body: bytes, timeout_seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        try:
            async with asyncio.timeout(timeout_seconds):
                self._check_partition()
                if frame is not None:
                    await write_frame(self._writer, frame, body)
                answer = await read_frame(self._reader)
                self._check_partition()
        except (OSError, EOFError, FrameError) as error:
            raise _link_error(error, LinkFailure.ABORTED) from error
        return answer

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):  # a peer that vanished first is no news after the last answer
            await self._writer.wait_closed()

    def _check_partition(self) -> None:
        if self._site.links.blocks(*self._ends):
            raise LinkError(LinkFailure.ABORTED)


@asynccontextmanager
async def connect(
    site: SiteCore, host: Host, endpoint: Endpoint
) -> AsyncIterator[ReplicaConnection]:
    """Connect from a host to a replica server and introduce the host as primary server.

    Raises:
        LinkError: Name unknown, no listener, partition, or certificates that do not fit.
    """
    record = site.names.resolve(endpoint.server)
    if record is None:
        raise LinkError(LinkFailure.NAME_NOT_RESOLVED)
    if site.links.blocks(*_ends(site, host, endpoint, record)):
        raise LinkError(LinkFailure.CANNOT_CONNECT)
    connection = await _welcomed(site, host, endpoint, record)
    try:
        await connection.request(
            "hello",
            {
                "primary_server": replication_name(site, host),
                "node": host.fqdn,
                "authentication": endpoint.authentication.value,
            },
        )
        yield connection
    finally:
        await connection.close()


async def _welcomed(
    site: SiteCore, host: Host, endpoint: Endpoint, record: NameRecord
) -> ReplicaConnection:
    """A connection on which the server has spoken.

    A server that does not trust our certificate ends the connection after our part of the TLS 1.3
    handshake, which looks like one that lost power just then. So it is tried once more: a server
    without power is not there any more.
    """
    try:
        return await _one_attempt(site, host, endpoint, record)
    except LinkError as error:
        certificate = endpoint.authentication is Authentication.CERTIFICATE
        if error.failure is not LinkFailure.ABORTED or not certificate:
            raise
    try:
        return await _one_attempt(site, host, endpoint, record)
    except LinkError as again:
        blocked = site.links.blocks(*_ends(site, host, endpoint, record))
        if again.failure is not LinkFailure.ABORTED or blocked:
            raise
        raise LinkError(
            LinkFailure.SECURITY, "The replica server does not accept this server's certificate."
        ) from again


def _ends(
    site: SiteCore, host: Host, endpoint: Endpoint, record: NameRecord
) -> tuple[Place, Place]:
    return Place(host.fqdn, site.name), Place(endpoint.server, record.site)


async def _one_attempt(
    site: SiteCore, host: Host, endpoint: Endpoint, record: NameRecord
) -> ReplicaConnection:
    streams = await _open(site, host, endpoint, record.address)
    connection = ReplicaConnection(site, _ends(site, host, endpoint, record), streams)
    try:
        _check_certificate(site, host, streams[1], endpoint)
        await connection.be_welcomed()
    except BaseException:
        await connection.close()
        raise
    return connection


def _check_certificate(
    site: SiteCore, host: Host, writer: asyncio.StreamWriter, endpoint: Endpoint
) -> None:
    if endpoint.authentication is Authentication.CERTIFICATE:
        tls = writer.get_extra_info("ssl_object")
        peer = tls.getpeercert(binary_form=True)
        check_peer(host, peer, endpoint.server, site.now_at(host.fqdn))


async def _open(
    site: SiteCore, host: Host, endpoint: Endpoint, address: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = None
    if endpoint.authentication is Authentication.CERTIFICATE:
        context = client_context(CertificateStore(site.host_folder(host)), endpoint.thumbprint)
    # Kerberos: both hosts are taken to be in one domain, the payload is not encrypted, and the
    # name in the greeting is believed. The lab has no key distribution centre.
    try:
        async with asyncio.timeout(site.environment.connect_timeout_seconds):
            return await asyncio.open_connection(
                address,
                bindable_port(endpoint.port),
                ssl=context,
                local_addr=(host.address, 0),
                server_hostname=endpoint.server if context else None,
            )
    except OSError as error:
        raise _link_error(error, LinkFailure.CANNOT_CONNECT) from error


def _link_error(error: Exception, otherwise: LinkFailure) -> LinkError:
    """TLS's reasons are for somebody to mend; a connection that ended can be tried again."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"The replica server's certificate is not trusted: {error.verify_message}."
        return LinkError(LinkFailure.SECURITY, detail)
    if isinstance(error, ssl.SSLError) and "EOF" not in str(error.reason):
        detail = f"The secure channel could not be set up: {error.reason}."
        return LinkError(LinkFailure.SECURITY, detail)
    return LinkError(otherwise)
