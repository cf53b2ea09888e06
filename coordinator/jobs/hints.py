"""Telling gateways over Redis that commands wait; losing a hint costs a second, never a command."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import redis
import structlog

log = structlog.get_logger(__name__)

# Each message is one provider id as text.
CHANNEL = "osr:commands"
TIMEOUT_SECONDS = 1.0


class HintPublisher:
    """Publishes the providers that have commands waiting; for `advance`'s `announce`."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=None,
        )

    def __call__(self, provider_ids: Collection[UUID]) -> None:
        """Publishes; when Redis is away the gateways find the commands by looking."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for provider_id in provider_ids:
                    pipeline.publish(CHANNEL, str(provider_id))
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            log.warning("hint.not_sent", reason=type(error).__name__)
