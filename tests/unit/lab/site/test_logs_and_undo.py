from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.lab.site import disk
from deploy.lab.site.change_log import (
    ChangeTracker,
    DamagedLogError,
    LogRecord,
    decode_records,
    encode_record,
)
from deploy.lab.site.disk import DiskBoundsError
from deploy.lab.site.log_application import LogApplication
from deploy.lab.site.log_message import pack, unpack

SIZE = 4096
DISKS = ("one", "two")

Write = tuple[str, int, bytes]
writes = st.tuples(
    st.sampled_from(DISKS), st.integers(0, SIZE - 64), st.binary(min_size=1, max_size=64)
)
cycles = st.lists(st.lists(writes, max_size=8), min_size=1, max_size=6)


class Pair:
    """A primary's disks with their tracker, and a replica's with its received logs."""

    def __init__(self, folder: Path) -> None:
        self.primary = {each: folder / "p" / each for each in DISKS}
        self.replica = {each: folder / "r" / each for each in DISKS}
        for path in (*self.primary.values(), *self.replica.values()):
            disk.create(path, SIZE)
        self.tracker = ChangeTracker(folder / "p", DISKS)
        self.received = LogApplication(folder / "r")
        self.tracker.start()

    def write(self, each: Write) -> None:
        disk_id, offset, data = each
        self.tracker.append(disk_id, offset, data)
        disk.write(self.primary[disk_id], offset, data)

    def ship(self, sequence: int, *, compress: bool = True) -> bytes:
        self.tracker.freeze(sequence)
        message = pack(self.tracker.frozen_logs(sequence), compress=compress)
        self.received.store(sequence, message)
        return message

    def apply(self, sequence: int) -> None:
        self.received.apply(sequence, self.replica, keep_undo=True)
        self.received.finish(sequence)
        self.tracker.discard(sequence)

    def content(self, disks: dict[str, Path]) -> list[bytes]:
        return [disks[each].read_bytes() for each in DISKS]


@settings(max_examples=40, deadline=None)
@given(cycles, st.booleans())
def test_after_any_cycles_replica_equals_primary_and_each_point_can_be_gone_back_to(
    history: list[list[Write]], compress: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder))
        points = [pair.content(pair.primary)]
        for sequence, cycle in enumerate(history, start=1):
            for each in cycle:
                pair.write(each)
            pair.ship(sequence, compress=compress)
            pair.apply(sequence)
            points.append(pair.content(pair.primary))
            assert pair.content(pair.replica) == points[-1]
        newest = len(history)
        for target in range(newest - 1, -1, -1):
            pair.received.undo.roll_back(pair.replica, target + 1, target)
            assert pair.content(pair.replica) == points[target]


@settings(max_examples=40, deadline=None)
@given(st.lists(writes, min_size=1, max_size=12), st.data())
def test_a_crash_in_the_middle_of_applying_is_mended_by_applying_again(
    cycle: list[Write], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder))
        before = pair.content(pair.replica)
        for each in cycle:
            pair.write(each)
        message = pair.ship(1)
        logs = unpack(message)
        pair.received.undo.record(1, pair.replica, logs)
        flat = [(each, record) for each, records in logs.items() for record in records]
        done = data.draw(st.integers(0, len(flat)))
        for disk_id, record in flat[:done]:  # power is lost here
            disk.write(pair.replica[disk_id], record.offset, record.data)
        assert pair.received.stored() == [1]
        pair.apply(1)
        assert pair.content(pair.replica) == pair.content(pair.primary)
        pair.received.undo.roll_back(pair.replica, 1, 0)
        assert pair.content(pair.replica) == before


@given(st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=40)), max_size=5))
def test_a_log_reads_back_what_was_written(records: list[tuple[int, bytes]]) -> None:
    log = b"".join(encode_record(offset, data) for offset, data in records)
    assert list(decode_records(log)) == [LogRecord(*each) for each in records]
    if log:
        with pytest.raises(DamagedLogError):
            list(decode_records(log[:-1]))


@given(st.binary(max_size=200))
def test_a_message_that_is_none_is_refused(junk: bytes) -> None:
    if junk[:1] == b"P" and junk[1:5] == b"\0\0\0\2":
        return
    with pytest.raises(DamagedLogError):
        unpack(junk)


def test_writes_after_a_freeze_belong_to_the_next_log(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.write(("one", 0, b"a"))
    pair.tracker.freeze(1)
    pair.write(("one", 1, b"b"))
    pair.tracker.freeze(1)  # again, after a failed send
    assert unpack(pack(pair.tracker.frozen_logs(1), compress=True))["one"] == [LogRecord(0, b"a")]
    pair.tracker.discard(1)
    pair.tracker.freeze(2)
    assert unpack(pack(pair.tracker.frozen_logs(2), compress=True))["one"] == [LogRecord(1, b"b")]


def test_a_freeze_cut_short_by_a_loss_of_power_is_completed(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.write(("one", 0, b"a"))
    pair.write(("two", 0, b"b"))
    (tmp_path / "p/logs/one.hrl").rename(tmp_path / "p/logs/one.7.hrl")
    pair.tracker.tidy(7)
    assert [len(log) > 0 for log in pair.tracker.frozen_logs(7).values()] == [True, True]


def test_a_log_that_reaches_over_the_disk_changes_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.write(("one", 0, b"inside"))
    pair.tracker.append("two", SIZE - 1, b"outside")
    pair.ship(1)
    before = pair.content(pair.replica)
    with pytest.raises(DiskBoundsError):
        pair.received.apply(1, pair.replica, keep_undo=True)
    assert pair.content(pair.replica) == before
