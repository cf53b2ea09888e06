"""Observe, act only if needed, verify: the one way in which a verb changes something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog
from opensiterecovery.provider.v1.failure_pb2 import Failure

from agent.failures import CommandError, failure
from agent.powershell.errors import PowerShellError, PowerShellTimeout
from agent.powershell.failures import to_failure
from agent.verbs.context import VerbContext
from agent.verbs.reader import answer_was_lost

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Goal(Generic[T]):
    """A state to reach.

    Attributes:
        action: What is done, for messages: "Start-VM".
        expected: The state, for messages: "Running".
        observe: Reads the present state, asking again when the answer was lost.
        reached: True when there is nothing left to do.
        describe: The present state in words.
        refuse: Why acting on the present state must not even be tried; None when it may be.
        under_way: True when the state is already changing to the goal, so only waiting helps.
    """

    action: str
    expected: str
    observe: Callable[[], Awaitable[T]]
    reached: Callable[[T], bool]
    describe: Callable[[T], str]
    refuse: Callable[[T], Failure | None] = lambda _: None
    under_way: Callable[[T], bool] = lambda _: False


async def reach(context: VerbContext, goal: Goal[T], act: Callable[[T], Awaitable[object]]) -> T:
    """Brings the goal about.

    Args:
        context: The command.
        goal: What is to be.
        act: Changes the fabric, given what was observed.

    Returns:
        The last observation, which is the goal.

    Raises:
        CommandError: Refused, failed, or not reached in time; the message says what the state is.
        PowerShellError: The state could not be read.

    Idempotent: at the goal nothing is done. A call whose answer was lost (PowerShell ended, or
    the agent did) may still be at work on the host, so its goal is waited for, and a refusal in
    the meantime is not believed at once.
    """
    observed = await goal.observe()
    # Of a call made before, the effect may still be about to show.
    begun_before = context.resumed or goal.under_way(observed)
    if goal.under_way(observed):
        observed = await _wait(context, goal, while_under_way=True)
    if goal.reached(observed):
        log.info("goal.found_reached", command_id=str(context.command_id), action=goal.action)
        return observed
    lost_at = context.clock() if begun_before else None
    while not goal.under_way(observed):
        if (refusal := goal.refuse(observed)) is not None:
            raise CommandError(refusal)
        error = await _try(context, goal.action, act(observed))
        if error is None:
            break
        if answer_was_lost(error):
            lost_at = context.clock()
        observed = await goal.observe()
        if goal.reached(observed):
            return observed
        if not goal.under_way(observed):
            await _again_or_raise(context, goal, observed, error, lost_at)
            observed = await goal.observe()
            if goal.reached(observed):
                return observed
    return await _wait(context, goal)


async def _try(
    context: VerbContext, action: str, acting: Awaitable[object]
) -> PowerShellError | None:
    log.info("goal.action_started", command_id=str(context.command_id), action=action)
    await context.tell(action)
    try:
        await acting
    except PowerShellError as error:
        log.warning(
            "goal.action_failed",
            command_id=str(context.command_id),
            action=action,
            error=type(error).__name__,
        )
        return error
    return None


async def _again_or_raise(
    context: VerbContext,
    goal: Goal[T],
    observed: T,
    error: PowerShellError,
    lost_at: datetime | None,
) -> None:
    """Waits a little before another attempt if one makes sense, otherwise raises."""
    settling = (
        lost_at is not None
        and context.clock() - lost_at < timedelta(seconds=context.settle_seconds)
        and context.time_left_seconds() > context.poll_interval_seconds
    )
    if settling and not isinstance(error, PowerShellTimeout):
        await asyncio.sleep(context.poll_interval_seconds)
        return
    state = goal.describe(observed)
    if isinstance(error, PowerShellTimeout) or answer_was_lost(error):
        state = f"{state}; what was begun may still take effect"
    raise CommandError(told(to_failure(error), state)) from error


async def _wait(context: VerbContext, goal: Goal[T], *, while_under_way: bool = False) -> T:
    """Looks until the goal is reached, at most until the deadline.

    Args:
        context: The command.
        goal: What is to be.
        while_under_way: Looks no longer than the state is on its way to the goal.
    """
    said = ""
    while True:
        observed = await goal.observe()
        if goal.reached(observed) or (while_under_way and not goal.under_way(observed)):
            return observed
        if (seen := goal.describe(observed)) != said:
            said = seen
            await context.tell(f"{goal.action}: waiting for {goal.expected}, now {seen}")
        if context.time_left_seconds() <= 0:
            raise CommandError(
                failure(
                    "StateNotReached",
                    f"{goal.action} was carried out, but when the command's time was up the state"
                    f" was {goal.describe(observed)} and not {goal.expected}.",
                    [
                        "The host or its network is slow.",
                        "Somebody changed the virtual machine or the host at the same time.",
                    ],
                    "Look at the state on the host, then run the operation again;"
                    " it goes on from the state it finds.",
                    transient=True,
                )
            )
        await asyncio.sleep(min(context.poll_interval_seconds, context.time_left_seconds()))


def told(problem: Failure, state: str) -> Failure:
    """The failure, with the state that was read after it."""
    result = Failure()
    result.CopyFrom(problem)
    result.message = f"{problem.message} The state read afterwards: {state}."
    return result
