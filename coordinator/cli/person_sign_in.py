"""How a person gives the command a token: OAuth 2.0's authorization code flow with PKCE."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from coordinator.cli.connection import Connection
from coordinator.cli.failures import CommandError, ExitCode, unreached
from coordinator.cli.tokens import Tokens

CLIENT_ID = "osr"
ANSWER_LIMIT_SECONDS = 30.0
DONE_PAGE = (
    "<!doctype html><meta charset=utf-8><title>Open Site Recovery</title>"
    "<p>You can close this page and go back to the command."
)
FAILED_PAGE = DONE_PAGE.replace("You can", "Signing in did not succeed; you can")


@dataclass(frozen=True)
class Attempt:
    """One attempt to sign in.

    Attributes:
        verifier: Proves that who exchanges the code is who asked for it.
        state: Comes back with the code, so that nobody slips us another.
        redirect: Where the browser brings the code.
    """

    verifier: str
    state: str
    redirect: str

    @property
    def challenge(self) -> str:
        """S256 of the verifier (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_attempt(port: int) -> Attempt:
    """An attempt whose code comes back to a port of this machine."""
    return Attempt(
        verifier=secrets.token_urlsafe(48),
        state=secrets.token_urlsafe(24),
        redirect=f"http://127.0.0.1:{port}/callback",
    )


def sign_in_address(connection: Connection, attempt: Attempt) -> str:
    """The page a person signs in at."""
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": attempt.redirect,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
        "scope": "default",
        "state": attempt.state,
    }
    base = f"{connection.authority}/{connection.tenant_id}/oauth2/v2.0/authorize"
    return f"{base}?{urlencode(query)}"


def code_of(address: str, attempt: Attempt) -> str:
    """The code in the address that the browser was sent to, whole or from its "?" on.

    Raises:
        CommandError: It has none, or one for somebody else's question.
    """
    query = parse_qs(urlsplit(address.strip()).query)
    state = "".join(query.get("state", ()))
    code = "".join(query.get("code", ()))
    if code and secrets.compare_digest(state.encode(), attempt.state.encode()):
        return code
    said = "".join(query.get("error_description", query.get("error", ())))
    raise CommandError(
        ExitCode.NOT_CONNECTED,
        f"Signing in did not succeed: {said or 'the address has no code of this attempt'}.",
        code="NotSignedIn",
        possible_causes=["The address is one of an earlier attempt.", "It was cut off."],
        recommended_action="Run osr login again and paste the whole address.",
    )


def exchange_code(connection: Connection, attempt: Attempt, code: str) -> Tokens:
    """Tokens for a code; it is good once.

    Raises:
        CommandError: The coordinator refuses, or does not answer.
    """
    return _ask(
        connection,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect,
            "code_verifier": attempt.verifier,
        },
    )


def renew(connection: Connection, refresh: str) -> Tokens:
    """New tokens for a refresh token, which is over then.

    Raises:
        CommandError: The coordinator refuses, or does not answer.
    """
    return _ask(connection, {"grant_type": "refresh_token", "refresh_token": refresh})


def not_signed_in(connection: Connection, message: str = "") -> CommandError:
    """What a person is told who has to sign in."""
    profile = f" --profile {connection.profile}" if connection.profile else ""
    return CommandError(
        ExitCode.NOT_CONNECTED,
        message or f"Nobody is signed in at {connection.endpoint}.",
        code="NotSignedIn",
        possible_causes=[
            "Signing in is good for twelve hours without a command.",
            "The password was changed, or the account disabled.",
        ],
        recommended_action=f"Sign in: osr login{profile}",
    )


def _ask(connection: Connection, form: Mapping[str, str]) -> Tokens:
    address = f"{connection.authority}/{connection.tenant_id}/oauth2/v2.0/token"
    try:
        # Without the environment's .netrc and authorities: ours are named.
        with requests.Session() as session:
            session.trust_env = not connection.ca_file
            answer = session.post(
                address,
                data={**form, "client_id": CLIENT_ID},
                verify=connection.verify,
                timeout=ANSWER_LIMIT_SECONDS,
            )
    except requests.RequestException as error:
        raise unreached(error, connection.endpoint) from error
    try:
        content = answer.json()
    except requests.JSONDecodeError:
        content = {}
    if answer.status_code != HTTPStatus.OK or "access_token" not in content:
        said = content.get("error_description") or content.get("error") or answer.status_code
        raise not_signed_in(connection, f"{connection.endpoint} gives no token: {said}.")
    return Tokens(
        access=str(content["access_token"]),
        expires_at=int(time.time()) + int(content.get("expires_in", 0)),
        refresh=str(content.get("refresh_token", "")),
    )


class CallbackListener:
    """Waits on this machine for the browser that brings the code; serves it from a thread."""

    def __init__(self) -> None:
        listener = self
        self._address = ""
        self._brought = Event()

        class Handler(BaseHTTPRequestHandler):
            # Who connects and says nothing does not keep us from the browser.
            timeout = ANSWER_LIMIT_SECONDS

            def do_GET(self) -> None:
                if not self.path.startswith("/callback?"):
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                page = DONE_PAGE if "code=" in self.path else FAILED_PAGE
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(page.encode())
                listener._take(self.path)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
                """Says nothing: the address has the code in it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Some browsers are waited for until they are closed: the page is served meanwhile.
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def wait(self, limit_seconds: float) -> str:
        """The address that the browser was sent to; empty when it did not come in time."""
        self._brought.wait(limit_seconds)
        return self._address

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, address: str) -> None:
        self._address = address
        self._brought.set()
