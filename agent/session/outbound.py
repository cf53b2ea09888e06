"""Messages on their way to the coordinator, the urgent ones first."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from opensiterecovery.provider.v1.session_pb2 import AgentMessage

URGENT: Final = frozenset({"heartbeat", "acknowledgement", "result", "progress"})
"""Fields of AgentMessage that never wait behind inventory and reports."""

ONE_AT_A_TIME: Final = frozenset({"replication"})
"""Fields whose sender has the next message made only when this one is being written: by then it
knows something newer."""


class Outbound:
    """A queue that is open only while a session stands.

    What must not get lost is in the journal and is sent again by the next session; everything
    else is made anew by its source.
    """

    def __init__(self, capacity: int = 64) -> None:
        """Makes a closed queue.

        Args:
            capacity: How many messages that are not urgent may wait before their senders do.
        """
        self._capacity = capacity
        self._urgent: deque[AgentMessage] = deque()
        self._bulk: deque[AgentMessage] = deque()
        self._changed = asyncio.Condition()
        self._session = 0
        self._open = False

    async def open(self) -> None:
        """Begins a session, with nothing waiting."""
        async with self._changed:
            self._session += 1
            self._open = True
            self._changed.notify_all()

    async def close(self) -> None:
        """Ends the session; what waits is dropped, and so is what senders hold in hand."""
        async with self._changed:
            self._open = False
            self._urgent.clear()
            self._bulk.clear()
            self._changed.notify_all()

    async def send(self, message: AgentMessage) -> bool:
        """Puts a message into the queue, waiting for room if it is not urgent.

        A report of replication is waited for until it is taken out.

        Returns:
            False when there is no session, or it ended while waiting: the message is gone.
        """
        async with self._changed:
            if not self._open:
                return False
            if message.WhichOneof("message") in URGENT:
                self._urgent.append(message)
            else:
                session = self._session
                await self._changed.wait_for(
                    lambda: not self._is(session) or len(self._bulk) < self._capacity
                )
                if not self._is(session):
                    return False
                self._bulk.append(message)
                if message.WhichOneof("message") in ONE_AT_A_TIME:
                    self._changed.notify_all()
                    await self._changed.wait_for(
                        lambda: not self._is(session) or not self._waits(message)
                    )
                    return self._is(session)
            self._changed.notify_all()
            return True

    async def take(self) -> AgentMessage:
        """The next message to write, as soon as there is one."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._urgent or self._bulk))
            message = self._urgent.popleft() if self._urgent else self._bulk.popleft()
            self._changed.notify_all()
            return message

    def _waits(self, message: AgentMessage) -> bool:
        return any(waiting is message for waiting in self._bulk)

    def _is(self, session: int) -> bool:
        return self._open and self._session == session
