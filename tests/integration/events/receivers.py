"""A mail server and a receiver of webhooks, real ones, on loopback."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from coordinator.vaults.authority import ensure_server_certificate

USER, PASSWORD = "osr", "correct horse battery staple"


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate for localhost; ca.pem in the folder is trusted."""
    files = ensure_server_certificate(folder, ["localhost", "127.0.0.1"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate_file, files.key_file)
    return context


@dataclass
class MailBox:
    """What came, and what is to be said about it.

    Attributes:
        mails: Recipient and mail, in order.
        answers: By recipient, what is answered instead of taking it.
        unwell: Said to every mail while it is not empty.
    """

    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    unwell: str = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's interface
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's interface
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.unwell:
            return self.unwell
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails += [(address, message) for address in envelope.rcpt_tos]
        return "250 OK"

    def of(self, address: str) -> list[EmailMessage]:
        return [mail for recipient, mail in self.mails if recipient == address]


def authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, given: Any
) -> AuthResult:
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=known and mechanism in {"LOGIN", "PLAIN"}, handled=False)


@contextmanager
def mail_server(box: MailBox, folder: Path, *, starttls: bool = True) -> Iterator[int]:
    """A mail server in a thread of its own; gives its port.

    It wants STARTTLS and a password, or else TLS from the first byte.
    """
    context = server_context(folder)
    loop = asyncio.new_event_loop()

    def session() -> SMTP:
        return SMTP(
            box,
            hostname="localhost",
            loop=loop,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=starttls,
            authenticator=authenticate,
        )

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = loop.create_server(session, "127.0.0.1", 0, ssl=None if starttls else context)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(30)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end_others(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_others() -> None:
    """Ends what still talks."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@dataclass
class Receiver:
    """What was posted, and what is answered.

    Attributes:
        requests: Headers and body, in order.
        answer: Gives status and headers for the path.
        url: Where it listens.
    """

    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[str], tuple[int, dict[str, str]]] = lambda _path: (204, {})
    url: str = ""


@contextmanager
def webhook_receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """An HTTP server; with a context it speaks TLS."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            status, headers = receiver.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme, host = ("https", "localhost") if context is not None else ("http", "127.0.0.1")
    receiver.url = f"{scheme}://{host}:{server.server_address[1]}/osr"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
