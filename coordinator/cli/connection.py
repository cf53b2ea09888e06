"""The connection file: where the coordinator is, and who we are to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from coordinator.cli.failures import CommandError, ExitCode


class Secret:
    """A text that prints masked."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@dataclass(frozen=True)
class Connection:
    """What connection.json says.

    Attributes:
        endpoint: Base URL of the API.
        authority: Base URL of the sign-in endpoint.
        ca_file: PEM file of the authority that signed the coordinator's certificate.
        gateway: Where agents dial, "host:port".
    """

    endpoint: str
    authority: str
    tenant_id: str
    client_id: str
    client_secret: Secret
    subscription_id: str
    resource_group: str
    vault: str
    ca_file: str
    gateway: str


WORDS = (
    "endpoint",
    "authority",
    "tenant_id",
    "client_id",
    "client_secret",
    "subscription_id",
    "resource_group",
    "vault",
    "ca_file",
)


def read_connection(file: Path | None) -> Connection:
    """Reads a connection file.

    Raises:
        CommandError: There is none, or it is not complete.
    """
    if file is None:
        raise _unusable("No connection file was given.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise _unusable(f"{file} is not JSON.") from error
    if not isinstance(content, dict):
        raise _unusable(f"{file} is no connection file.")
    missing = [word for word in WORDS if not isinstance(content.get(word), str)]
    if missing:
        raise _unusable(f"{file} lacks: {', '.join(missing)}.")
    texts = {word: content[word] for word in WORDS}
    secret = Secret(texts.pop("client_secret"))
    return Connection(**texts, client_secret=secret, gateway=str(content.get("gateway", "")))


def _unusable(message: str) -> CommandError:
    return CommandError(
        ExitCode.NOT_CONNECTED,
        message,
        possible_causes=["The path is wrong.", "The file is no connection file."],
        recommended_action="Give the file with --connection or in OSR_CONNECTION.",
    )
