"""Handing mails to an SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum

from coordinator.events.alerting.outcomes import DELIVERED, Outcome, failed
from coordinator.secret import Secret

TIMEOUT_SECONDS = 20.0
# SMTP: what begins with 5 will not change by itself.
PERMANENT = 500


class Security(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True)
class MailServer:
    """The SMTP server that takes mails.

    Attributes:
        host, port: Where it is.
        security: How the connection is protected; without protection nobody logs in.
        sender: From whom mails are.
        user: Name to log in with; "" for none.
        password: The user's.
        ca_file: Certificates trusted beside the system's; "" for none.
    """

    host: str
    port: int
    security: Security
    sender: str
    user: str = ""
    password: Secret | None = field(default=None, repr=False)
    ca_file: str = ""


class MailSession:
    """An open connection to the server."""

    def __init__(self, connection: smtplib.SMTP, server: MailServer) -> None:
        self._connection = connection
        self._server = server

    def send(self, message: EmailMessage, address: str) -> Outcome:
        """Hands over a mail to one recipient."""
        try:
            self._connection.send_message(message, self._server.sender, [address])
        except smtplib.SMTPRecipientsRefused as error:
            code, text = error.recipients.get(address, (0, b""))
            words = text.decode(errors="replace")
            return failed(f"{address} was refused: {code} {words}", final=code >= PERMANENT)
        except smtplib.SMTPResponseException as error:
            return failed(f"The mail server answered {_words(error)}", unreachable=True)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return failed(f"{type(error).__name__}: {error}", unreachable=True)
        return DELIVERED


@contextmanager
def mail_session(server: MailServer) -> Iterator[MailSession | Outcome]:
    """A connection to the server, or why there is none."""
    opened = _open(server)
    if isinstance(opened, Outcome):
        yield opened
        return
    try:
        yield MailSession(opened, server)
    finally:
        _leave(opened)


def _open(server: MailServer) -> smtplib.SMTP | Outcome:
    try:
        return _logged_in(server)
    except smtplib.SMTPAuthenticationError as error:
        # Not its text: some servers repeat what they were sent.
        return failed(
            f"The mail server does not let {server.user} in (code {error.smtp_code}).",
            unreachable=True,
        )
    except smtplib.SMTPResponseException as error:
        return failed(f"The mail server answered {_words(error)}", unreachable=True)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return failed(f"{type(error).__name__}: {error}", unreachable=True)


def _logged_in(server: MailServer) -> smtplib.SMTP:
    place = (server.host, server.port)
    context = ssl.create_default_context()
    if server.ca_file:
        context.load_verify_locations(server.ca_file)
    connection: smtplib.SMTP
    if server.security is Security.TLS:
        connection = smtplib.SMTP_SSL(*place, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = smtplib.SMTP(*place, timeout=TIMEOUT_SECONDS)
    try:
        if server.security is Security.STARTTLS:
            connection.starttls(context=context)
        if server.user and server.password is not None:
            connection.login(server.user, server.password.reveal())
    except BaseException:
        connection.close()
        raise
    return connection


def _leave(connection: smtplib.SMTP) -> None:
    try:
        connection.quit()
    except (smtplib.SMTPException, OSError):
        connection.close()


def _words(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
