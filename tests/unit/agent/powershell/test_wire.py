"""Lines, fragments and messages."""

import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.powershell.framing import POOL, FramingError, control_line, data_line, read_line
from agent.powershell.messages import FragmentError, MessageAssembler, Other, Output

PIPELINE = UUID("0f8fad5b-d9cb-469f-a165-708600000001")
OUTPUT = 0x41004
STATE = 0x41006


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("<iI16s16s", 1, kind, POOL.bytes_le, PIPELINE.bytes_le) + body


def fragments(object_id: int, content: bytes, size: int) -> list[bytes]:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return [
        struct.pack(
            ">QQBI",
            object_id,
            number,
            (number == 0) | (2 if number == len(pieces) - 1 else 0),
            len(piece),
        )
        + piece
        for number, piece in enumerate(pieces)
    ]


@given(st.binary(max_size=200))
def test_data_lines_are_read_back(content: bytes) -> None:
    line = data_line(PIPELINE, content)
    assert line.count(b"\n") == 1
    packet = read_line(line)
    assert (packet.name, packet.target, packet.data) == ("Data", PIPELINE, content)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (control_line("Signal", PIPELINE), "Signal"),
        (f"<CommandAck PSGuid='{PIPELINE}' />\r".encode(), "CommandAck"),
        (f'<CloseAck PSGuid="{str(PIPELINE).upper()}"/>'.encode(), "CloseAck"),
        (f"<Data Stream='Default' PSGuid='{PIPELINE}'></Data>".encode(), "Data"),
    ],
)
def test_control_lines_are_read(line: bytes, name: str) -> None:
    packet = read_line(line)
    assert (packet.name, packet.target, packet.data) == (name, PIPELINE, b"")


@pytest.mark.parametrize(
    "line",
    [
        b"Windows PowerShell",
        b"<Data>",
        b"<Data Stream='Default'>AAAA</Data>",
        f"<Data PSGuid='{PIPELINE}'>not base 64!</Data>".encode(),
        b"<DataAck PSGuid='------------------------------------' />",
    ],
)
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(FramingError):
        read_line(line)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), st.integers(1, 100))
def test_output_is_put_together_whatever_the_cut(bodies: list[bytes], size: int) -> None:
    cut = [fragments(number, message(OUTPUT, body), size) for number, body in enumerate(bodies)]
    # All first fragments, then all second ones: messages arrive interleaved.
    longest = max(len(pieces) for pieces in cut)
    mixed = [pieces[at] for at in range(longest) for pieces in cut if at < len(pieces)]
    assembler = MessageAssembler()
    found = [one for piece in mixed for one in assembler.feed(piece)]
    bom = b"\xef\xbb\xbf"
    assert sorted(one.clixml for one in found if isinstance(one, Output)) == sorted(
        body.removeprefix(bom) for body in bodies
    )


def test_other_messages_keep_their_fragments() -> None:
    pieces = fragments(7, message(STATE, b"<Obj />"), 10)
    [found] = MessageAssembler().feed(b"".join(pieces))
    assert found == Other(PIPELINE, b"".join(pieces))


@pytest.mark.parametrize(
    "data",
    [
        b"short",
        fragments(1, message(OUTPUT, b"abc"), 100)[0][:-1],
        fragments(1, message(OUTPUT, b"abc"), 10)[1],
        fragments(1, b"shorter than a header", 100)[0],
    ],
)
def test_damaged_fragments_are_refused(data: bytes) -> None:
    with pytest.raises(FragmentError):
        list(MessageAssembler().feed(data))
