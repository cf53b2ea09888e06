"""A host's replication listener: it greets primaries and hands their requests to the receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from deploy.lab.site.addresses import bindable_port
from deploy.lab.site.certificates import CertificateStore
from deploy.lab.site.frames import FrameError, read_frame, write_frame
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.replication_model import Authentication
from deploy.lab.site.tls import check_peer, server_context

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

log = structlog.get_logger(__name__)


@dataclass
class Caller:
    """The primary server at the other end, by the name its certificate or Kerberos vouches for.

    ``state`` is the receiver's to keep what one connection began (a copy, a resynchronisation).
    """

    primary_server: str
    state: dict[str, Any]


Answer = tuple[dict[str, Any], bytes]
Receiver = Callable[["SiteCore", "Host", Caller, dict[str, Any], bytes], Awaitable[Answer]]


class Listener:
    """One listening socket, for one authentication type."""

    def __init__(
        self, site: SiteCore, host: Host, authentication: Authentication, receiver: Receiver
    ) -> None:
        self._site = site
        self._host = host
        self._authentication = authentication
        self._receiver = receiver
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, port: int) -> None:
        """Begin to listen.

        Raises:
            OSError: The port is in use.
            LinkError: The listener's certificate is not there.
        """
        context = None
        if self._authentication is Authentication.CERTIFICATE:
            context = server_context(
                CertificateStore(self._site.host_folder(self._host)),
                self._host.replication_server.certificate_thumbprint,
            )
        self._server = await asyncio.start_server(
            self._accept, self._host.address, bindable_port(port), ssl=context
        )

    async def close(self) -> None:
        """Stop listening and break the connections there are."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, FrameError) as error:
            if not isinstance(error, asyncio.IncompleteReadError) or error.partial:
                log.info("replication_connection.broken", host=self._host.fqdn)
        finally:
            writer.transport.abort()
            if task is not None:
                self._connections.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await write_frame(writer, {"kind": "welcome"})
        caller: Caller | None = None
        while True:
            header, body = await read_frame(reader)
            try:
                answer: dict[str, Any] = {}
                answer_body = b""
                if caller is None:
                    caller = self._greet(header, writer)
                else:
                    self._check_partition(caller.primary_server)
                    answer, answer_body = await self._receiver(
                        self._site, self._host, caller, header, body
                    )
            except LinkError as error:
                await write_frame(writer, {"failure": error.failure, "detail": error.text})
                continue
            await write_frame(writer, answer, answer_body)

    def _greet(self, header: dict[str, Any], writer: asyncio.StreamWriter) -> Caller:
        """Who calls; the certificate must be in that name.

        Raises:
            LinkError: The greeting is none, or the certificate does not fit the name.
        """
        if header.get("kind") != "hello":
            raise LinkError(LinkFailure.REFUSED, "The first request must be a greeting.")
        primary_server = str(header.get("primary_server", ""))
        self._check_partition(primary_server)
        if self._authentication is Authentication.CERTIFICATE:
            tls = writer.get_extra_info("ssl_object")
            peer, now = tls.getpeercert(binary_form=True), self._site.clock.now()
            check_peer(self._host, peer, primary_server, now)
        return Caller(primary_server, {})

    def _check_partition(self, primary_server: str) -> None:
        record = self._site.names.resolve(primary_server)
        if record is None or self._site.partition.separates(self._site.name, record.site):
            raise ConnectionResetError
