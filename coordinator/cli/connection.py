"""Where the coordinator is, and who we are to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coordinator.cli.failures import CommandError, ExitCode


class Secret:
    """A text that prints masked."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@dataclass(frozen=True)
class Connection:
    """What connection.json or a profile says.

    Attributes:
        endpoint: Base URL of the API.
        authority: Base URL of the sign-in endpoint.
        client_id: Of a program; empty: a person signs in.
        client_secret: Of the program.
        ca_file: PEM file of the authority that signed the coordinator's certificate; empty: one
            of those the system trusts.
        gateway: Where agents dial, "host:port".
        profile: Name of the profile that says so; empty: a connection file.
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
    gateway: str = ""
    profile: str = ""

    @property
    def is_person(self) -> bool:
        return not self.client_id

    @property
    def verify(self) -> str | bool:
        """What `requests` wants to know about certificates."""
        return self.ca_file or True


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
    return connection_of(content)


def connection_of(content: Mapping[str, object]) -> Connection:
    """A connection of words that are known to be there and texts."""
    texts = {word: str(content[word]) for word in WORDS}
    secret = Secret(texts.pop("client_secret"))
    return Connection(
        **texts,
        client_secret=secret,
        gateway=str(content.get("gateway", "")),
        profile=str(content.get("profile", "")),
    )


def content_of(connection: Connection) -> dict[str, str]:
    """What a file keeps of a connection, its secret in plain words."""
    content = {word: getattr(connection, word) for word in WORDS}
    return {
        **content,
        "client_secret": connection.client_secret.reveal(),
        "gateway": connection.gateway,
    }


def _unusable(message: str) -> CommandError:
    return CommandError(
        ExitCode.NOT_CONNECTED,
        message,
        possible_causes=["The path is wrong.", "The file is no connection file."],
        recommended_action="Add a profile (osr profile add), or give a connection file with "
        "--connection or in OSR_CONNECTION.",
    )
