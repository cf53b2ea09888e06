from __future__ import annotations

from uuid import UUID

import pytest

from deploy.lab.powershell.framing import (
    POOL,
    Frame,
    FramingError,
    LineSplitter,
    ack_line,
    data_line,
    parse_frame,
)

ID = UUID("11111111-2222-3333-4444-555555555555")


@pytest.mark.parametrize("kind", ["Command", "Close", "Signal", "DataAck"])
def test_a_control_element_has_a_kind_and_a_target(kind: str) -> None:
    assert parse_frame(f"<{kind} PSGuid='{ID}' />".encode()) == Frame(kind, ID)


def test_data_holds_its_payload_and_stream() -> None:
    line = data_line(ID, b"\x00\xffbytes", "PromptResponse")
    assert parse_frame(line) == Frame("Data", ID, b"\x00\xffbytes", "PromptResponse")


def test_data_of_the_pool_bears_the_id_of_zeros() -> None:
    assert parse_frame(data_line(None, b"x")).target == POOL


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello", "not valid XML"),
        (b"<Data PSGuid='x'", "not valid XML"),
        (b"<Unknown PSGuid='11111111-2222-3333-4444-555555555555' />", "Unknown element"),
        (b"<Command />", "PSGuid"),
        (b"<Command PSGuid='nonsense' />", "PSGuid"),
        (
            b"<Data Stream='Other' PSGuid='11111111-2222-3333-4444-555555555555'>YQ==</Data>",
            "Other",
        ),
        (
            b"<Data Stream='Default' PSGuid='11111111-2222-3333-4444-555555555555'>?</Data>",
            "base64",
        ),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><Data PSGuid='x'/>", "document type"),
    ],
)
def test_a_line_that_is_no_element_of_the_protocol_is_refused(line: bytes, says: str) -> None:
    with pytest.raises(FramingError, match=says):
        parse_frame(line)


def test_an_acknowledgement_names_what_it_acknowledges() -> None:
    assert ack_line(Frame("Signal", ID)) == f"<SignalAck PSGuid='{ID}' />\n".encode()


def test_lines_are_put_together_from_any_pieces() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"<a") == []
    assert splitter.feed(b"/>\r\n\n<b/>\n<c") == [b"<a/>", b"<b/>"]
    assert splitter.feed(b"/>\n") == [b"<c/>"]
