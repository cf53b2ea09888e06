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
from deploy.lab.site.links import Place
from deploy.lab.site.replication_model import Authentication
from deploy.lab.site.tls import check_peer, server_context

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

log = structlog.get_logger(__name__)


@dataclass
class Caller:
    """The primary server at the other end, by the name its certificate or Kerberos vouches for.

    A node of a cluster goes by its broker's name; ``node`` is its own. ``through`` is the name
    that was called: the host's, or that of the broker it owns. ``state`` is the receiver's to keep
    what one connection began (a copy, a resynchronisation).
    """

    primary_server: str
    state: dict[str, Any]
    node: str = ""
    through: str = ""


Answer = tuple[dict[str, Any], bytes]
Receiver = Callable[["SiteCore", "Host", Caller, dict[str, Any], bytes], Awaitable[Answer]]


class Listener:
    """One listening socket, for one authentication type, under a host's or its broker's name."""

    def __init__(
        self,
        site: SiteCore,
        host: Host,
        authentication: Authentication,
        receiver: Receiver,
        name: str = "",
    ) -> None:
        self._site = site
        self._host = host
        self._name = name or host.fqdn
        self._authentication = authentication
        self._receiver = receiver
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, address: str, port: int) -> None:
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
            self._accept, address, bindable_port(port), ssl=context
        )

    async def sever(self) -> None:
        """The host is gone: connections break, but what is being written now is written whole.

        So a crash falls between two writes; one in the middle of a write is what killing the
        site's process is for.
        """
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

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
        self._writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, FrameError) as error:
            if not isinstance(error, asyncio.IncompleteReadError) or error.partial:
                log.info("replication_connection.broken", host=self._host.fqdn)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
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
                    self._check_links(caller.node)
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
        node = str(header.get("node", primary_server))
        self._check_links(node)
        if self._authentication is Authentication.CERTIFICATE:
            tls = writer.get_extra_info("ssl_object")
            peer, now = tls.getpeercert(binary_form=True), self._site.now_at(self._host.fqdn)
            # A cluster's certificate must name the broker and the node (5.1); whether Hyper-V
            # looks at both on the replica's side is not documented. The lab does.
            for name in dict.fromkeys((primary_server, node)):
                check_peer(self._host, peer, name, now)
        return Caller(primary_server, {}, node, self._name)

    def _check_links(self, node: str) -> None:
        source = self._site.place(node)
        target = Place(self._host.fqdn, self._site.name)
        if source is None or not self._host.powered or self._site.links.blocks(source, target):
            raise ConnectionResetError
