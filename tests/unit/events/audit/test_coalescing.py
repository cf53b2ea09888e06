"""A flood of denials fills no disk, and none of them is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.events.audit.coalescing import (
    COUNTED,
    OF_A_CALLER,
    OF_ALL_ADDRESSES,
    OF_AN_ADDRESS,
    OTHERS,
    TOLD,
    WINDOW,
    Coalescing,
    Source,
    source_of_address,
)

pytestmark = pytest.mark.spec("AC-3")

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_flood_from_one_address_is_some_records_and_a_number() -> None:
    coalescing = Coalescing()
    source = source_of_address("192.0.2.7")
    written = sum(coalescing.admit(source, NOW) for _ in range(10_000))
    assert written == OF_AN_ADDRESS
    assert coalescing.due(NOW) is None
    summary = coalescing.due(NOW + WINDOW)
    assert summary is not None
    assert summary.count == 10_000 - OF_AN_ADDRESS
    assert summary.sources == (("192.0.2.7", summary.count),)
    assert coalescing.due(NOW + WINDOW) is None


def test_a_flood_from_many_addresses_is_no_more() -> None:
    coalescing = Coalescing()
    addresses = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(5000)]
    written = sum(coalescing.admit(source_of_address(one), NOW) for one in addresses * 2)
    assert written == OF_ALL_ADDRESSES
    summary = coalescing.due(NOW + WINDOW)
    assert summary is not None
    assert summary.count == 10_000 - OF_ALL_ADDRESSES
    assert len(summary.sources) == TOLD
    assert dict(summary.sources)[OTHERS] > COUNTED


def test_a_caller_who_is_known_is_not_crowded_out_by_those_who_are_not() -> None:
    coalescing = Coalescing()
    for n in range(1000):
        coalescing.admit(source_of_address(f"10.0.{n >> 8}.{n & 255}"), NOW)
    caller = Source("6a1f", known=True)
    assert sum(coalescing.admit(caller, NOW) for _ in range(1000)) == OF_A_CALLER


def test_after_a_window_everybody_begins_anew() -> None:
    coalescing = Coalescing()
    source = source_of_address("192.0.2.7")
    for _ in range(100):
        coalescing.admit(source, NOW)
    assert coalescing.admit(source, NOW + WINDOW)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 40)), min_size=1, max_size=300
    )
)
def test_every_denial_is_written_or_counted(denials: list[tuple[int, bool, int]]) -> None:
    coalescing, now, told = Coalescing(), NOW, 0
    for who, known, seconds in denials:
        now += timedelta(seconds=seconds)
        summary = coalescing.due(now)
        told += summary.count if summary is not None else 0
        told += coalescing.admit(Source(str(who), known), now)
    last = coalescing.due(now + WINDOW)
    assert told + (last.count if last is not None else 0) == len(denials)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown address"),
        ("no address", "unknown address"),
    ],
)
def test_addresses_of_one_network_are_one_source(address: str, source: str) -> None:
    assert source_of_address(address) == Source(source, known=False)
