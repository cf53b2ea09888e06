"""Which machines of a plan take part in a run, which way it goes, and why others do not: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.failures import RefusedError, refuse
from coordinator.protection.rules import MOST_NAMED, Operation
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.records import FailoverType

FAILOVERS = frozenset(str(kind) for kind in FailoverType)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A machine of the plan as it is now.

    Attributes:
        active: The side it runs on.
        why_not: Why it does not allow the operation, and what would; empty when it does.
        unstarted: It has failed over, and the job that did it ended before it was started.
    """

    item_id: str
    name: str
    active: ActiveLocation
    why_not: str = ""
    unstarted: bool = False


@dataclass(frozen=True)
class Choice:
    """Who takes part.

    Attributes:
        direction: None for operations that are no failover.
        skipped: By item id why it does not take part; all others do.
        left_out: Ids of those of them that would be meant, and cannot.
        starts: Ids of items that are over already and are only started, in their group's turn.
    """

    direction: FailoverDirection | None
    skipped: Mapping[str, str]
    starts: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


def direction_of_run(
    plan_name: str,
    operation: Operation,
    asked: FailoverDirection | None,
    candidates: Sequence[Candidate],
) -> FailoverDirection | None:
    """Which way a run goes.

    Args:
        plan_name: For people.
        operation: What is to be done.
        asked: None: the only way there is.
        candidates: Every machine of the plan.

    Returns:
        None for operations that are no failover.

    Raises:
        RefusedError: RecoveryPlanEmpty, RecoveryPlanDirectionNeeded (400).
    """
    if not candidates:
        raise _empty(plan_name)
    if operation not in FAILOVERS:
        return None
    return asked or _only_direction(plan_name, candidates)


def choose(
    plan_name: str,
    operation: Operation,
    way: FailoverDirection | None,
    candidates: Sequence[Candidate],
) -> Choice:
    """Who takes part in a run.

    A failover takes the machines that run on the side it leaves; the others are over already, and
    of those it starts the ones that an earlier run did not come to start. A planned one and a test
    want all that they take to be ready; an unplanned one, and every operation that is no failover,
    takes those that are.

    Args:
        plan_name: For people.
        operation: What is to be done.
        way: From `direction_of_run`.
        candidates: Every machine of the plan, at least one.

    Raises:
        RefusedError: FailoverDirectionNotPossible, RecoveryPlanMachinesNotReady (409).

    Source: SPEC RP-1, RP-5.
    """
    if way is None:
        skipped = {each.item_id: each.why_not for each in candidates if each.why_not}
        if len(skipped) == len(candidates):
            raise _not_ready(plan_name, operation, candidates)
        return Choice(None, skipped)
    leaving = [each for each in candidates if each.active is way.source]
    over = {
        each.item_id: f"{each.name} runs on the {each.active} side already."
        for each in candidates
        if each.active is not way.source and not each.unstarted
    }
    starts = frozenset(
        each.item_id for each in candidates if each.active is not way.source and each.unstarted
    )
    if not leaving and not starts:
        raise _all_over(plan_name, way)
    unfit = [each for each in leaving if each.why_not]
    goes_without = operation is Operation.UNPLANNED_FAILOVER
    if unfit and (not goes_without or (len(unfit) == len(leaving) and not starts)):
        raise _not_ready(plan_name, operation, unfit)
    left_out = {each.item_id: each.why_not for each in unfit}
    return Choice(way, {**over, **left_out}, starts, frozenset(left_out))


def _only_direction(plan_name: str, candidates: Sequence[Candidate]) -> FailoverDirection:
    # The way of a run that stopped is the way it is taken up.
    sides = {each.active.other if each.unstarted else each.active for each in candidates}
    if len(sides) > 1:
        on = {
            side: [each.name for each in candidates if each.active is side]
            for side in ActiveLocation
        }
        raise refuse(
            "RecoveryPlanDirectionNeeded",
            f"{plan_name} can run in both directions: some of its machines run on the primary "
            "side, others on the recovery side.",
            causes=[f"On the {side} side: {_named(names)}." for side, names in on.items()],
            action="Say which direction; only the machines of the side it leaves are failed over.",
            field="failoverDirection",
        )
    side = sides.pop()
    return next(way for way in FailoverDirection if way.source is side)


def _empty(plan_name: str) -> RefusedError:
    return refuse(
        "RecoveryPlanEmpty",
        f"{plan_name} has no machines.",
        causes=[
            "None has been put into it.",
            "Those that were are not protected any more.",
        ],
        action="Put protected machines into the plan's groups.",
        status=409,
    )


def _all_over(plan_name: str, way: FailoverDirection) -> RefusedError:
    return refuse(
        "FailoverDirectionNotPossible",
        f"{plan_name} cannot run {way}: all of its machines run on the {way.source.other} side.",
        causes=["They have been failed over already, by this plan, by another, or one by one."],
        action="Choose the other direction.",
        status=409,
        field="failoverDirection",
    )


def _not_ready(plan_name: str, operation: Operation, unfit: Sequence[Candidate]) -> RefusedError:
    return refuse(
        "RecoveryPlanMachinesNotReady",
        f"{operation} of {plan_name} is not possible: {len(unfit)} of its machines do not allow "
        f"it: {_named([each.name for each in unfit])}.",
        causes=[f"{each.name}: {each.why_not}" for each in unfit[:MOST_NAMED]],
        action="Do what the causes say for each machine, or take it out of the plan; then run the "
        "plan again.",
        status=409,
    )


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
