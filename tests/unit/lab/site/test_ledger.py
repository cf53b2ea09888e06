from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.site import disk, ledger
from deploy.lab.site.witness import Witness


def region(sequences: list[int]) -> bytearray:
    data = bytearray(ledger.REGION_BYTES)
    for each in sequences:
        offset, record = ledger.encode(each, 1000.0 + each)
        start = offset - ledger.REGION_OFFSET
        data[start : start + len(record)] = record
    return data


@given(st.integers(1, 200), st.sets(st.integers(1, 200), max_size=20))
def test_missing_records_are_counted_as_gaps(last: int, missing: set[int]) -> None:
    kept = [each for each in range(1, last + 1) if each not in missing]
    reading = ledger.decode(bytes(region(kept)))
    assert reading.count == len(kept)
    assert reading.last == max(kept, default=0)
    if kept:
        assert reading.gaps == reading.last - min(kept) + 1 - len(kept)


def test_a_torn_record_does_not_count() -> None:
    data = region([1, 2, 3])
    data[2 * ledger.RECORD_BYTES + 20] ^= 0xFF
    assert ledger.decode(bytes(data)).last == 2


def test_the_ring_goes_on_after_its_end() -> None:
    first = ledger.CAPACITY - 2
    reading = ledger.decode(bytes(region(list(range(first, first + 10)))))
    assert (reading.last, reading.count, reading.gaps) == (first + 9, 10, 0)


def test_an_empty_disk_has_an_empty_ledger(tmp_path: Path) -> None:
    disk.create(tmp_path / "d", 2 * 1024**2)
    assert ledger.read(tmp_path / "d") == ledger.LedgerReading()


def test_the_witness_remembers_the_last_record(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "w")
    assert witness.last() == (0, 0.0)
    witness.note(7, 1.5)
    assert Witness(tmp_path / "w").last() == (7, 1.5)
