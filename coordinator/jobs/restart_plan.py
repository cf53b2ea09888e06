"""Which steps of a failed job are done again when it is restarted: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from coordinator.jobs.decisions import ENDED_WELL, StepSnapshot


@dataclass(frozen=True)
class Repeat:
    """What a restart changes of a job's steps.

    Attributes:
        again: Keys of the steps that begin anew when their turn comes; the others stay done.
        forgotten: Those of them that have no effect any more, because it was taken back.
        after: What each of them comes after now: also those before them, however far, that are
            done again too.
    """

    again: frozenset[str]
    forgotten: frozenset[str]
    after: Mapping[str, tuple[str, ...]]


def plan_restart(steps: Sequence[StepSnapshot], also: Collection[str] = ()) -> Repeat:
    """What is done again: what did not end well, what was taken back, and what came after that.

    Args:
        steps: All steps of a job that has ended.
        also: Keys of further steps to do again.
    """
    ordinary = {step.key: step for step in steps if not step.undoes}
    undo = [step for step in steps if step.undoes]
    order = list(TopologicalSorter({k: s.after for k, s in ordinary.items()}).static_order())
    undone = {step.undoes for step in undo if step.begun}
    again = {key for key, step in ordinary.items() if step.state not in ENDED_WELL} | set(also)
    spoiled = set(undone)
    for key in order:
        if any(before in spoiled for before in ordinary[key].after):
            spoiled.add(key)
    again |= spoiled
    return Repeat(
        again=frozenset(again | {step.key for step in undo}),
        forgotten=frozenset(
            {step.key for step in undo}
            | {step.undoes for step in undo if step.begun and step.state in ENDED_WELL}
        ),
        after=_after(ordinary, order, again),
    )


def _after(
    ordinary: Mapping[str, StepSnapshot], order: Sequence[str], again: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """A step that stays done no longer holds back what comes after it, so others must."""
    held: dict[str, dict[str, None]] = {}
    changed = {}
    for key in order:
        before = ordinary[key].after
        # In the order of the graph: what is written must not depend on chance.
        held[key] = {far: None for near in before for far in held[near]}
        held[key].update({near: None for near in before if near in again})
        extra = [far for far in held[key] if far not in before]
        if key in again and extra:
            changed[key] = (*before, *extra)
    return changed
