"""Reading the server name out of the first bytes a TLS client sends.

Source: RFC 8446, 4.1.2 (ClientHello) and 5.1 (records); RFC 6066, 3 (server name).
"""

from __future__ import annotations

from dataclasses import dataclass

HANDSHAKE_RECORD = 22
CLIENT_HELLO = 1
SERVER_NAME_EXTENSION = 0
HOST_NAME = 0
RECORD_HEADER_BYTES = 5
HANDSHAKE_HEADER_BYTES = 4
# RFC 8446, 5.1: a record carries 2^14 bytes at most.
RECORD_LIMIT_BYTES = 16384
# No client sends a greeting near this size, even with post-quantum keys and tickets.
HELLO_LIMIT_BYTES = 32768


class NotTlsError(Exception):
    """What was read is not the beginning of a TLS connection."""


@dataclass(frozen=True)
class ClientHello:
    """The greeting; its server name is empty when the client named none."""

    server_name: str


def read_client_hello(received: bytes) -> ClientHello | None:
    """Reads a greeting.

    Args:
        received: All bytes of the connection so far; they may stop anywhere.

    Returns:
        The greeting, or None when more bytes are needed.

    Raises:
        NotTlsError: More bytes would not help.
    """
    message = join_records(received)
    if len(message) < HANDSHAKE_HEADER_BYTES:
        return None
    if message[0] != CLIENT_HELLO:
        raise NotTlsError("the first handshake message is no ClientHello")
    length = int.from_bytes(message[1:4])
    if length > HELLO_LIMIT_BYTES:
        raise NotTlsError("the ClientHello is too long")
    body = message[HANDSHAKE_HEADER_BYTES : HANDSHAKE_HEADER_BYTES + length]
    if len(body) < length:
        return None
    return ClientHello(find_server_name(body))


def join_records(received: bytes) -> bytes:
    """The handshake bytes there are, out of one record or several."""
    message = b""
    position = 0
    while position + RECORD_HEADER_BYTES <= len(received):
        length = int.from_bytes(received[position + 3 : position + RECORD_HEADER_BYTES])
        if received[position] != HANDSHAKE_RECORD or received[position + 1] != 3:
            # What follows a complete greeting is not looked at.
            if is_complete(message):
                break
            raise NotTlsError("not a TLS handshake record")
        if not 0 < length <= RECORD_LIMIT_BYTES:
            raise NotTlsError("a TLS record of an impossible length")
        position += RECORD_HEADER_BYTES
        message += received[position : position + length]
        position += length
    if not received[:1] or received[0] == HANDSHAKE_RECORD:
        return message
    raise NotTlsError("not a TLS handshake record")


def is_complete(message: bytes) -> bool:
    length = int.from_bytes(message[1:HANDSHAKE_HEADER_BYTES])
    return len(message) >= HANDSHAKE_HEADER_BYTES + length > HANDSHAKE_HEADER_BYTES


class Fields:
    """Reads length-prefixed fields one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    @property
    def left(self) -> bool:
        return self._position < len(self._content)

    def take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._content):
            raise NotTlsError("a field of the ClientHello is longer than the ClientHello")
        taken = self._content[self._position : end]
        self._position = end
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def vector(self, length_bytes: int) -> bytes:
        return self.take(self.number(length_bytes))


def find_server_name(body: bytes) -> str:
    fields = Fields(body)
    fields.take(2 + 32)  # legacy_version, random
    fields.vector(1)  # legacy_session_id
    fields.vector(2)  # cipher_suites
    fields.vector(1)  # legacy_compression_methods
    if not fields.left:
        return ""
    extensions = Fields(fields.vector(2))
    while extensions.left:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == SERVER_NAME_EXTENSION:
            return read_host_name(content)
    return ""


def read_host_name(extension: bytes) -> str:
    names = Fields(Fields(extension).vector(2))
    while names.left:
        kind, name = names.number(1), names.vector(2)
        if kind == HOST_NAME:
            try:
                return name.decode("ascii").lower()
            except UnicodeDecodeError as error:
                raise NotTlsError("the server name is not ASCII") from error
    return ""
