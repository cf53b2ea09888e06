"""Refusals are recorded or counted, and what goes wrong with that stops no answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from coordinator.events.audit.chain import Entry, Outcome
from coordinator.events.audit.coalescing import OF_A_CALLER, OF_AN_ADDRESS, WINDOW
from coordinator.events.audit.recording import INSTALLATION, ChainOf
from coordinator.events.audit.refusals import DENIALS, RefusalRecorder, Refused

pytestmark = [pytest.mark.spec("AC-3"), pytest.mark.asyncio]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeRecords:
    """Keeps records in a list, or cannot."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.away = False

    def record(self, chain_of: ChainOf, entry: Entry) -> None:
        assert chain_of == INSTALLATION
        if self.away:
            raise ConnectionError("the database is away")
        self.entries.append(entry)


async def at_once(work: Callable[[], None]) -> None:
    work()


def denied() -> Refused:
    return INSTALLATION, Entry(at=NOW, action="x", outcome=Outcome.DENIED)


async def test_a_flood_is_some_records_and_one_that_tells_how_many_more() -> None:
    records = FakeRecords()
    refusals = RefusalRecorder(lambda: records, at_once)
    for _ in range(1000):
        await refusals.note("", "192.0.2.7", NOW, denied)
        await refusals.note("somebody", "192.0.2.8", NOW, denied)
    assert len(records.entries) == OF_AN_ADDRESS + OF_A_CALLER
    await refusals.tell_left_out(NOW)
    assert len(records.entries) == OF_AN_ADDRESS + OF_A_CALLER
    await refusals.tell_left_out(NOW + WINDOW)
    summary = records.entries[-1]
    assert (summary.action, summary.outcome) == (DENIALS, Outcome.DENIED)
    assert int(summary.details["count"]) == 2000 - OF_AN_ADDRESS - OF_A_CALLER
    assert "192.0.2.7: 995" in summary.details["sources"]
    assert summary.details["since"] == "2026-11-23T12:00:00.000000Z"


async def test_what_cannot_be_written_stops_no_answer() -> None:
    records = FakeRecords()
    records.away = True
    refusals = RefusalRecorder(lambda: records, at_once)
    for _ in range(2 * OF_AN_ADDRESS):
        await refusals.note("", "192.0.2.7", NOW, denied)
    await refusals.tell_left_out(NOW + WINDOW)
    records.away = False
    await refusals.note("", "192.0.2.7", NOW + WINDOW, denied)
    assert len(records.entries) == 1
