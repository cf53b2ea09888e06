"""Doing what was decided for one job of a family."""

from __future__ import annotations

from collections.abc import Collection

from coordinator.jobs.decisions import Decision
from coordinator.jobs.execution import escalate, look_at, start_steps
from coordinator.jobs.family import FAILED_MEMBERS, Family, members_failed, remember_failed
from coordinator.jobs.family_graph import members_of
from coordinator.jobs.models import Command
from coordinator.jobs.overdue import give_up
from coordinator.jobs.run import Run
from coordinator.jobs.states import CommandState
from coordinator.jobs.steps import StepKind

# A light advance begins none of these: something of a domain is asked at once.
HEAVY = frozenset({StepKind.RECORD, StepKind.WAIT})
# More members than so many a group opens for are not begun by a light advance: results wait for it.
LIGHT_MEMBERS = 100


def act(family: Family, run: Run, decision: Decision) -> bool:
    """Does the most urgent kind of thing the decision asks for; False when it asks for nothing.

    What fails comes first, because it may forbid what would start. Record functions come before
    commands for the same reason.
    """
    if run.shared.light and _too_much(run, decision):
        run.held = True
        return False
    if _end_what_is_over(run, decision):
        return True
    if decision.close:
        _close(run, decision.close)
    elif decision.escalate:
        for key in decision.escalate:
            escalate(run, key)
    elif decision.halt_children:
        family.halt_children()
    elif decision.start:
        _start(family, run, decision.start)
    else:
        return _look(run, decision.look)
    return True


def _too_much(run: Run, decision: Decision) -> bool:
    """Whether a light advance must leave it: it may take long, or call a function of a domain."""
    kinds = {run.snapshots[key].kind for key in decision.start}
    if decision.halt_children or decision.escalate or not HEAVY.isdisjoint(kinds):
        return True
    groups = [key for key in decision.start if run.snapshots[key].kind is StepKind.GROUP]
    run.load(groups)
    return sum(len(members_of(run.rows[key].inputs)) for key in groups) > LIGHT_MEMBERS


def _end_what_is_over(run: Run, decision: Decision) -> bool:
    for key in decision.drop:
        run.drop(run.rows[key])
    for key in decision.give_up:
        give_up(run, key)
    if decision.drop or decision.give_up:
        return True
    for key in decision.skip:
        run.skip(run.rows[key])
    for key in decision.cancel:
        run.cancel(run.rows[key])
    return bool(decision.skip or decision.cancel) or _withdraw(run, decision.withdraw)


def _withdraw(run: Run, keys: Collection[str]) -> bool:
    """Takes back the commands that no gateway has sent; those sent are awaited."""
    fresh = [key for key in keys if key not in run.withdrawn]
    for key in fresh:
        run.withdrawn.add(key)
        unsent = Command.objects.filter(step_id=run.rows[key].id, state=CommandState.PENDING)
        if unsent.update(state=CommandState.ABANDONED):
            run.cancel(run.rows[key])
    return bool(fresh)


def _close(run: Run, keys: Collection[str]) -> None:
    for key in keys:
        group = run.rows[key]
        failed = group.failure.get(FAILED_MEMBERS)
        if isinstance(failed, list):
            run.fail(group, members_failed(failed))
            remember_failed(group, failed)
        else:
            run.succeed(group, {})


def _start(family: Family, run: Run, keys: Collection[str]) -> None:
    records = [key for key in keys if run.snapshots[key].kind is StepKind.RECORD]
    if records:
        start_steps(run, records)
        return
    groups = [key for key in keys if run.snapshots[key].kind is StepKind.GROUP]
    start_steps(run, [key for key in keys if key not in groups])
    for key in groups:
        family.open_group(run, run.rows[key])


def _look(run: Run, keys: Collection[str]) -> bool:
    if run.shared.light:
        # The job keeps the time at which a worker looks.
        return False
    fresh = [key for key in keys if key not in run.looked]
    for key in fresh:
        run.looked.add(key)
        look_at(run, key)
    return bool(fresh)
