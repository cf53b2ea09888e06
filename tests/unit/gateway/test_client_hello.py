"""The server name in a client's greeting, as OpenSSL really sends it, and in pieces."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.gateway.client_hello import ClientHello, NotTlsError, read_client_hello


def greeting(server_name: str | None) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


HELLO = greeting("session.opensiterecovery")


def in_records(message: bytes, size: int) -> bytes:
    """The same handshake bytes in TLS records of `size` bytes."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


@pytest.mark.parametrize("name", ["registration.opensiterecovery", "session.opensiterecovery", "x"])
def test_the_name_a_client_asks_for_is_read(name: str) -> None:
    assert read_client_hello(greeting(name)) == ClientHello(name)


def test_upper_case_does_not_count() -> None:
    assert read_client_hello(greeting("Session.OpenSiteRecovery")) == ClientHello(
        "session.opensiterecovery"
    )


def test_a_client_may_name_no_server() -> None:
    assert read_client_hello(greeting(None)) == ClientHello("")


@given(st.integers(0, len(HELLO) - 1))
def test_a_greeting_that_is_not_whole_needs_more(length: int) -> None:
    assert read_client_hello(HELLO[:length]) is None


@given(st.integers(1, len(HELLO)))
def test_a_greeting_in_many_records_is_read(size: int) -> None:
    assert read_client_hello(in_records(HELLO[5:], size)) == ClientHello("session.opensiterecovery")


@given(st.binary(max_size=40))
def test_what_follows_the_greeting_is_not_looked_at(more: bytes) -> None:
    assert read_client_hello(HELLO + more) == ClientHello("session.opensiterecovery")


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(received: bytes) -> None:
    try:
        hello = read_client_hello(received)
    except NotTlsError:
        return
    assert hello is None or isinstance(hello, ClientHello)


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_a_damaged_greeting_is_read_or_refused(position: int, byte: int) -> None:
    damaged = HELLO[:position] + bytes([byte]) + HELLO[position + 1 :]
    try:
        hello = read_client_hello(damaged)
    except NotTlsError:
        return
    assert hello is None or isinstance(hello, ClientHello)


@pytest.mark.parametrize(
    "received",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x02\x00\x00\x10",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x10",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    ],
    ids=["HTTP", "alert", "SSL 2", "empty record", "long record", "ServerHello", "long hello"],
)
def test_what_is_no_greeting_is_refused(received: bytes) -> None:
    with pytest.raises(NotTlsError):
        read_client_hello(received)
