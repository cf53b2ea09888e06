"""A root task that dies is named and takes the process with it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from agent.exit_codes import ExitCode
from agent.root_tasks import guarded, until_first_ends


async def forever(ended: list[str], name: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(name)


async def die() -> None:
    raise LookupError("no such thing")


async def end() -> None:
    return


async def test_being_told_to_stop_ends_everything_well() -> None:
    ended: list[str] = []
    stop = asyncio.Event()
    stop.set()
    code = await guarded({"a": forever(ended, "a"), "b": forever(ended, "b")}, stop)
    assert code is ExitCode.OK
    assert sorted(ended) == ["a", "b"]


async def test_a_task_that_dies_is_logged_by_its_name_and_ends_the_others() -> None:
    ended: list[str] = []
    with capture_logs() as logs:
        code = await guarded({"a": forever(ended, "a"), "sessions": die()}, asyncio.Event())
    assert code is ExitCode.FAILED
    assert ended == ["a"]
    [died] = [entry for entry in logs if entry["event"] == "root_task.died"]
    assert died["task"] == "sessions"
    assert died["exc_info"]


async def test_a_task_that_just_ends_is_a_failure_too() -> None:
    with capture_logs() as logs:
        code = await guarded({"watch": end()}, asyncio.Event())
    assert code is ExitCode.FAILED
    assert [entry["task"] for entry in logs if entry["event"] == "root_task.ended"] == ["watch"]


async def test_the_first_to_end_decides() -> None:
    ended: list[str] = []
    assert await until_first_ends({"a": forever(ended, "a"), "b": end()}) == "b"
    with pytest.raises(LookupError):
        await until_first_ends({"a": forever(ended, "a"), "b": die()})
    assert ended == ["a", "a"]


async def test_cancelling_ends_all() -> None:
    ended: list[str] = []
    group = asyncio.create_task(
        until_first_ends({"a": forever(ended, "a"), "b": forever(ended, "b")})
    )
    await asyncio.wait({group}, timeout=0.01)
    group.cancel()
    with pytest.raises(asyncio.CancelledError):
        await group
    assert sorted(ended) == ["a", "b"]
