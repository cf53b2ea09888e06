"""Tasks that belong together: when one ends, however it ends, all end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

log = structlog.get_logger(__name__)


async def until_first_ends(tasks: Mapping[str, Coroutine[Any, Any, None]]) -> str:
    """Runs the tasks until one of them ends, then cancels the others and waits for them.

    Args:
        tasks: By the name they are logged with.

    Returns:
        The name of the one that ended.

    Raises:
        BaseException: What the task that ended first raised.
    """
    started = {asyncio.create_task(task, name=name): name for name, task in tasks.items()}
    try:
        ended, _ = await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in started:
            task.cancel()
        outcomes = await asyncio.gather(*started, return_exceptions=True)
    first = next(task for task in started if task in ended)
    for (task, name), outcome in zip(started.items(), outcomes, strict=True):
        if isinstance(outcome, Exception) and task is not first:
            log.warning("task.failed_while_ending", task=name, error=repr(outcome))
    await first
    return started[first]
