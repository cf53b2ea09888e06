"""Whatever is changed in a chain, both verifiers find it and name the first bad record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coordinator.cli.audit_chain import AuditWalk, lines_of
from coordinator.events.audit.chain import BROKEN, CUT, CUT_BASE, CUT_FIRST, Entry
from coordinator.events.audit.heads import Signer, is_signed
from tests.unit.events.audit.chains import (
    CHAIN,
    ENTRIES,
    SIGNER,
    VERIFIERS,
    Export,
    Verifier,
    entry,
    export_of,
    found_by_the_command,
)

pytestmark = pytest.mark.spec("EV-3")

EXPORTS = st.lists(ENTRIES, min_size=1, max_size=6).map(export_of)
BOTH = pytest.mark.parametrize("verifier", VERIFIERS)


@BOTH
@given(export=EXPORTS)
def test_a_chain_as_it_was_written_is_correct(verifier: Verifier, export: Export) -> None:
    assert verifier(export.lines) is None
    assert verifier(export.lines, export.head) is None


@BOTH
def test_an_empty_chain_is_correct(verifier: Verifier) -> None:
    assert verifier(export_of([]).lines) is None


@given(export=EXPORTS, data=st.data())
def test_any_one_changed_byte_of_a_file_is_found(export: Export, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(export.lines) - 1))
    line = bytearray(export.lines[number])
    # The end of the last line is no part of it.
    place = data.draw(st.integers(0, len(line) - 1 - (number == len(export.lines) - 1)))
    line[place] ^= data.draw(st.integers(1, 255))
    changed = (*export.lines[:number], bytes(line), *export.lines[number + 1 :])
    found = found_by_the_command(changed)
    if 0 < number < len(export.lines) - 1:
        assert found == number
    else:
        assert found is not None


@BOTH
@given(export=EXPORTS, data=st.data())
def test_a_removed_record_is_found(verifier: Verifier, export: Export, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(export.records)))
    rest = (*export.records[: number - 1], *export.records[number:])
    assert verifier(export.with_records(rest)) == number


@BOTH
@given(export=EXPORTS, data=st.data())
def test_a_removed_tail_is_found(verifier: Verifier, export: Export, data: st.DataObject) -> None:
    left = data.draw(st.integers(0, len(export.records) - 1))
    assert verifier(export.with_records(export.records[:left])) == left + 1


@BOTH
@given(export=EXPORTS, data=st.data())
def test_records_in_another_order_are_found(
    verifier: Verifier, export: Export, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(export.records))
    assume(tuple(shuffled) != export.records)
    assert verifier(export.with_records(shuffled)) == first_difference(export.records, shuffled)


@BOTH
@given(export=EXPORTS, data=st.data())
def test_an_inserted_record_is_found(
    verifier: Verifier, export: Export, data: st.DataObject
) -> None:
    copied = data.draw(st.sampled_from(export.records))
    place = data.draw(st.integers(0, len(export.records)))
    inserted = (*export.records[:place], copied, *export.records[place:])
    assert verifier(export.with_records(inserted)) == first_difference(export.records, inserted)


@BOTH
@given(export=EXPORTS, other=ENTRIES, data=st.data())
def test_a_record_written_anew_without_its_successors_is_found(
    verifier: Verifier, export: Export, other: Entry, data: st.DataObject
) -> None:
    """Somebody who knows how hashes are made changes a record and its hash."""
    number = data.draw(st.integers(1, len(export.records)))
    forged = export_of([other] * number).records[-1]
    assume(forged != export.records[number - 1])
    changed = (*export.records[: number - 1], forged, *export.records[number:])
    assert verifier(export.with_records(changed)) in {number, number + 1}


@BOTH
def test_a_chain_written_anew_with_another_key_is_found(verifier: Verifier) -> None:
    kept = export_of([entry(n) for n in range(3)]).head
    forged = export_of([entry(n) for n in (0, 1, 7)], signer=Signer(bytes(32)))
    assert verifier(forged.lines, kept) == 3


@BOTH
def test_a_tail_removed_with_an_old_head_put_back_is_found_with_a_kept_head(
    verifier: Verifier,
) -> None:
    entries = [entry(n) for n in range(5)]
    old, kept = export_of(entries[:3]), export_of(entries).head
    assert verifier(old.lines) is None
    assert verifier(old.lines, kept) == 4


@BOTH
def test_a_chain_that_was_cut_is_correct_only_if_it_says_so(verifier: Verifier) -> None:
    whole = export_of([entry(n) for n in range(4)])
    base = whole.head.hash
    said = replace(entry(5), action=CUT, details={CUT_FIRST: "5", CUT_BASE: base.hex()})
    assert verifier(export_of([entry(4), said], first=5, base=base).lines) is None
    assert verifier(export_of([entry(4), entry(5)], first=5, base=base).lines) == 1
    # A head from before the cut says nothing about what is left.
    kept = export_of([entry(n) for n in range(2)]).head
    assert verifier(export_of([entry(4), said], first=5, base=base).lines, kept) is None


@BOTH
def test_a_chain_that_the_coordinator_found_altered_stays_so(verifier: Verifier) -> None:
    assert verifier(export_of([entry(0), replace(entry(1), action=BROKEN), entry(2)]).lines) == 2


def test_a_file_cut_off_anywhere_is_found() -> None:
    whole = b"".join(export_of([entry(n) for n in range(3)]).lines)
    for length in range(len(whole) - 1):
        walk = AuditWalk()
        for line in lines_of([whole[:length]]):
            walk.take(line)
        assert walk.finish() is not None, length


def test_lines_come_the_same_however_the_stream_is_cut() -> None:
    whole = b"".join(export_of([entry(n) for n in range(3)]).lines)
    at_once = list(lines_of([whole]))
    for size in (1, 7, 100):
        chunks = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert list(lines_of(chunks)) == at_once


@given(data=st.data())
def test_a_head_with_any_one_changed_bit_is_not_signed(data: st.DataObject) -> None:
    head = SIGNER.head(CHAIN, 7, bytes(range(32)))
    assert is_signed(head, SIGNER.public)
    part = data.draw(st.sampled_from(["hash", "signature"]))
    changed = bytearray(getattr(head, part))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if part == "hash":
        assert not is_signed(replace(head, hash=bytes(changed)), SIGNER.public)
    else:
        assert not is_signed(replace(head, signature=bytes(changed)), SIGNER.public)
    assert not is_signed(replace(head, sequence=8), SIGNER.public)


def first_difference(before: tuple[bytes, ...], after: list[bytes] | tuple[bytes, ...]) -> int:
    """Number of the first record that is not the one it was."""
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return same + 1
