"""Reads of many places side by side, where one that does not answer holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

Place = TypeVar("Place")
Question = TypeVar("Question")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Answer(Generic[Question, Found]):
    """How a read ended.

    Attributes:
        question: What was asked when it began.
        found: What the place said, or why it could not be read.
    """

    question: Question
    found: Found | BaseException


@dataclass
class _Read(Generic[Question, Found]):
    question: Question
    began: asyncio.Event = field(default_factory=asyncio.Event)
    # Looks that wait for it: a look at everything may be under way beside the usual one.
    waiting: int = 0
    task: asyncio.Task[Found] | None = None


class PatientReads(Generic[Place, Question, Found]):
    """Asks places; a read that takes too long goes on by itself, and a later look has its answer.

    A place whose last read was late or failed is asked again beside, one such place at a time, so
    that those which hang take neither the time nor the turns of the others.

    Args:
        read: Asks one place.
        at_once: So many of the places that answer are asked at the same time.
    """

    def __init__(self, read: Callable[[Place, Question], Awaitable[Found]], at_once: int) -> None:
        self._read = read
        self._at_once = at_once
        self._reads: dict[Place, _Read[Question, Found]] = {}
        self._silent: set[Place] = set()
        self._silent_turn = asyncio.Semaphore(1)

    async def ask(
        self, asked: Mapping[Place, Question], patience_seconds: float | None = None
    ) -> dict[Place, Answer[Question, Found]]:
        """Asks every place that is not being asked since before.

        Args:
            asked: What to ask which place.
            patience_seconds: How long the look may take; None: until every place has answered.

        Returns:
            The answers there are, of this look's reads and of late ones.
        """
        self._drop_stale(asked)
        turns = asyncio.Semaphore(self._at_once)
        for place, question in asked.items():
            if place not in self._reads:
                turn = self._silent_turn if place in self._silent else turns
                self._begin(place, question, turn)
        reads = {place: self._reads[place] for place in asked}
        awaited = [
            read.task
            for place, read in reads.items()
            if read.task is not None and (patience_seconds is None or place not in self._silent)
        ]
        for read in reads.values():
            read.waiting += 1
        try:
            if awaited:
                await asyncio.wait(awaited, timeout=patience_seconds)
        finally:
            for read in reads.values():
                read.waiting -= 1
        return dict(self._ended(reads))

    def cancel(self) -> None:
        """Ends all reads."""
        for read in self._reads.values():
            if read.task is not None:
                read.task.cancel()
        self._reads.clear()

    def _drop_stale(self, asked: Mapping[Place, Question]) -> None:
        """Late answers of places that nobody asks any more would be old when somebody does."""
        for place in [place for place in self._reads if place not in asked]:
            task = self._reads[place].task
            if task is not None and task.done():
                del self._reads[place]
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.info("read.dropped", place=str(place), error=str(error))

    def _begin(self, place: Place, question: Question, turn: asyncio.Semaphore) -> None:
        read: _Read[Question, Found] = _Read(question)

        async def run() -> Found:
            async with turn:
                read.began.set()
                return await self._read(place, question)

        read.task = asyncio.create_task(run(), name=f"read of {place}")
        self._reads[place] = read

    def _ended(
        self, reads: Mapping[Place, _Read[Question, Found]]
    ) -> Iterable[tuple[Place, Answer[Question, Found]]]:
        for place, read in reads.items():
            task = read.task
            if task is None:
                continue
            if not task.done():
                if read.began.is_set():
                    self._silent.add(place)
                elif place not in self._silent and not read.waiting:
                    # Its turn did not come: the next look asks it.
                    task.cancel()
                    self._forget(place, read)
                continue
            # Another look that waited for it may have taken it in before, or have given it up.
            self._forget(place, read)
            if task.cancelled():
                continue
            error = task.exception()
            if error is None:
                self._silent.discard(place)
            else:
                self._silent.add(place)
            yield place, Answer(read.question, task.result() if error is None else error)

    def _forget(self, place: Place, read: _Read[Question, Found]) -> None:
        if self._reads.get(place) is read:
            del self._reads[place]
