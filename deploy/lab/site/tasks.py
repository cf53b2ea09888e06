"""Root tasks whose death is seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)


async def guarded(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run work to its end; a failure that nobody expected is logged with its name."""
    try:
        await work()
    except Exception:  # border: turns the task's failure into a record
        log.exception("task.died", task=name)
