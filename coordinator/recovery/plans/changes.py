"""What differs between two saves of a plan, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from coordinator.recovery.plans.records import (
    Action,
    ActionPosition,
    GroupRecord,
    ScriptAction,
)

# So many sentences are kept; a plan of thousands of machines may change in all of them.
MOST_TOLD = 50
_BEFORE_OR_AFTER = {ActionPosition.START: "before", ActionPosition.END: "after"}


@dataclass(frozen=True)
class Change:
    """Something that a save changed.

    Attributes:
        what: A machine's name, or an action in a few words.
        how: Without a subject, for example "put into group 2".
    """

    what: str
    how: str

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


def changes(
    before: Sequence[GroupRecord], after: Sequence[GroupRecord], names: Mapping[str, str]
) -> tuple[Change, ...]:
    """What a save changed.

    Args:
        before: `PlanRecord.phases` before it; empty for a new plan.
        after: And after it.
        names: Of the machines of both, by item id.

    Returns:
        Machines first, then actions; empty when nothing changed.
    """
    return (*_machines(before, after, names), *_actions(before, after))


def told(found: Sequence[Change]) -> dict[str, str]:
    """Changes as a job shows them: by what was changed; of too many only how many more."""
    lines: dict[str, str] = {}
    for change in found[:MOST_TOLD]:
        lines[change.what] = "; ".join(filter(None, (lines.get(change.what), change.how)))
    if len(found) > MOST_TOLD:
        lines["more changes"] = str(len(found) - MOST_TOLD)
    return lines


def describe(action: Action) -> str:
    """An action in a few words."""
    if isinstance(action, ScriptAction):
        return f'Script "{action.name}" ({action.path} on the {action.side} side)'
    return f'Manual action "{action.name}"'


def place(group: GroupRecord, position: ActionPosition) -> str:
    """Where an action is, for people: "before group 1"."""
    where = f"group {group.number}" if group.number else f"the {group.type.lower()}"
    return f"{_BEFORE_OR_AFTER[position]} {where}"


def _machines(
    before: Sequence[GroupRecord], after: Sequence[GroupRecord], names: Mapping[str, str]
) -> Iterator[Change]:
    old, new = _groups_of(before), _groups_of(after)
    for item_id, group in new.items():
        name = names.get(item_id, item_id)
        if item_id not in old:
            yield Change(name, f"put into group {group}")
        elif old[item_id] != group:
            yield Change(name, f"moved from group {old[item_id]} to group {group}")
    for item_id in old:
        if item_id not in new:
            yield Change(names.get(item_id, item_id), "taken out")
    left_out = {gone.vm_id for group in after for gone in group.gone}
    for gone in (gone for group in before for gone in group.gone):
        if gone.vm_id not in left_out:
            yield Change(gone.name, "taken out; it is not protected")


def _actions(before: Sequence[GroupRecord], after: Sequence[GroupRecord]) -> Iterator[Change]:
    old, new = _by_place(before), _by_place(after)
    for where in dict.fromkeys((*new, *old)):
        was, now = old.get(where, ()), new.get(where, ())
        if was != now:
            yield from _actions_there(was, now, where)


def _actions_there(was: Sequence[Action], now: Sequence[Action], where: str) -> Iterator[Change]:
    known = {action.name.casefold(): action for action in was}
    kept = {action.name.casefold() for action in now}
    for action in now:
        if action.name.casefold() not in known:
            yield Change(describe(action), f"added {where}")
        elif known[action.name.casefold()] != action:
            yield Change(describe(action), f"changed {where}")
    for name, action in known.items():
        if name not in kept:
            yield Change(describe(action), f"taken away {where}")
    both = [action.name.casefold() for action in now if action.name.casefold() in known]
    if both != [name for name in known if name in kept]:
        yield Change("The order of the actions", f"changed {where}")


def _groups_of(phases: Iterable[GroupRecord]) -> dict[str, int]:
    return {item_id: group.number for group in phases for item_id in group.item_ids}


def _by_place(phases: Iterable[GroupRecord]) -> dict[str, tuple[Action, ...]]:
    return {
        place(group, position): group.actions(position)
        for group in phases
        for position in ActionPosition
    }
