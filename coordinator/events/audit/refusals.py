"""Recording what was refused: apart from every transaction, and never without bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeAlias

import structlog

from coordinator.events.audit.chain import Entry, Outcome, written
from coordinator.events.audit.coalescing import Coalescing, Source, Summary, source_of_address
from coordinator.events.audit.recording import INSTALLATION, ChainOf

log = structlog.get_logger(__name__)

DENIALS = "OpenSiteRecovery/audit/denials/action"

Refused: TypeAlias = tuple[ChainOf, Entry]
Run: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]


class Records(Protocol):
    """Where records are written: `recording.Recorder`."""

    def record(self, chain_of: ChainOf, entry: Entry) -> None: ...


class RefusalRecorder:
    """Records the refusals of one process; for its event loop only."""

    def __init__(self, recorder: Callable[[], Records], run: Run) -> None:
        """Makes one.

        Args:
            recorder: Gives the process's recorder.
            run: Runs work where it may use the database.
        """
        self._recorder = recorder
        self._run = run
        self._coalescing = Coalescing()

    async def note(
        self, principal_id: str, address: str, now: datetime, describe: Callable[[], Refused]
    ) -> None:
        """Records a refusal, or counts it when there are too many of one source.

        Whatever becomes of it, the answer has been decided: what cannot be written is logged.

        Args:
            principal_id: Who was refused; "" when nobody knows.
            address: Where from.
            now: The time.
            describe: Makes the record; it may use the database.
        """
        source = Source(principal_id, known=True) if principal_id else source_of_address(address)
        await self.tell_left_out(now)
        try:
            if self._coalescing.admit(source, now):
                await self._run(lambda: self._recorder().record(*describe()))
        except Exception:
            # A border: the refusal stands, recorded or not; the log has it.
            log.exception("audit.refusal_lost", source=source.name)

    async def tell_left_out(self, now: datetime) -> None:
        """Records how many were only counted in a minute that is over; asked with each request."""
        summary = self._coalescing.due(now)
        if summary is None:
            return
        entry = _summary_entry(summary, now)
        log.warning("audit.denials_counted", **entry.details)
        try:
            await self._run(lambda: self._recorder().record(INSTALLATION, entry))
        except Exception:
            # A border, as above: the warning has the numbers.
            log.exception("audit.summary_lost")


def _summary_entry(summary: Summary, now: datetime) -> Entry:
    return Entry(
        at=now,
        action=DENIALS,
        outcome=Outcome.DENIED,
        principal_type="Coordinator",
        details={
            "count": str(summary.count),
            "since": written(summary.since),
            "until": written(summary.until),
            "sources": ", ".join(f"{name}: {count}" for name, count in summary.sources),
        },
    )
