"""A backend whose cmdlets a test answers itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from deploy.lab.invocation import Invocation, InvocationResult

Answer = Callable[[Invocation], InvocationResult]


class FakeBackend:
    """Answers calls from a table of cmdlets; a cmdlet can be held until the test lets it go."""

    def __init__(self) -> None:
        self.calls: list[Invocation] = []
        self.answers: dict[str, Answer] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.running = 0
        self.most_running = 0
        self._changed = asyncio.Condition()

    def hold(self, cmdlet: str) -> asyncio.Event:
        return self.held.setdefault(cmdlet, asyncio.Event())

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits until a call has begun that makes the condition true."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def invoke(self, call: Invocation) -> InvocationResult:
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self._tell()
            if call.cmdlet in self.held:
                await self.held[call.cmdlet].wait()
            answer = self.answers.get(call.cmdlet)
            return answer(call) if answer else InvocationResult()
        finally:
            self.running -= 1


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()
