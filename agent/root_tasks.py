"""Tasks that belong together: when one ends, however it ends, all end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from agent.exit_codes import ExitCode

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


async def guarded(tasks: Mapping[str, Coroutine[Any, Any, None]], stop: asyncio.Event) -> ExitCode:
    """Runs tasks that never end by themselves until `stop` is set.

    Returns:
        OK when it was; FAILED when a task ended or died before, which is logged by its name.
    """

    async def stopped() -> None:
        await stop.wait()

    watched = {name: _named(name, task) for name, task in tasks.items()}
    try:
        ended = await until_first_ends({"stop": stopped(), **watched})
    except _DiedError:
        return ExitCode.FAILED
    if ended == "stop":
        return ExitCode.OK
    log.error("root_task.ended", task=ended)
    return ExitCode.FAILED


class _DiedError(Exception):
    pass


async def _named(name: str, task: Coroutine[Any, Any, None]) -> None:
    try:
        await task
    except Exception as error:
        log.exception("root_task.died", task=name)
        raise _DiedError(name) from error
