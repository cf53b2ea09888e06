"""Listening on Redis for providers that have commands waiting; without it the rounds find them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import redis.asyncio
import redis.exceptions
import structlog

log = structlog.get_logger(__name__)

# What the engine publishes on (jobs.hints); each message is one provider id as text.
CHANNEL = "osr:commands"


class HintListener:
    """Passes hints on until it is cancelled, however often Redis goes and comes."""

    def __init__(
        self, redis_url: str, wake: Callable[[UUID], None], retry_seconds: float = 1.0
    ) -> None:
        """Makes a listener.

        Args:
            redis_url: Where the engine publishes.
            wake: Called with each provider; must not raise or wait.
            retry_seconds: Between two attempts to reach a Redis that is away.
        """
        self._redis_url = redis_url
        self._wake = wake
        self._retry_seconds = retry_seconds
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listens."""
        while True:
            try:
                await self._listen()
            except (redis.exceptions.RedisError, OSError) as error:
                log.warning("hints.away", reason=type(error).__name__)
            finally:
                self.listening.clear()
            await asyncio.sleep(self._retry_seconds)

    async def _listen(self) -> None:
        async with (
            redis.asyncio.Redis.from_url(self._redis_url) as client,
            client.pubsub() as hints,
        ):
            await hints.subscribe(CHANNEL)
            async for message in hints.listen():
                if message["type"] == "subscribe":
                    self.listening.set()
                    log.info("hints.subscribed")
                elif message["type"] == "message":
                    self._pass_on(message["data"])

    def _pass_on(self, data: bytes) -> None:
        try:
            self._wake(UUID(data.decode()))
        except ValueError:
            log.warning("hint.unreadable")
