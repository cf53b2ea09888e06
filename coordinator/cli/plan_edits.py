"""Changing the groups of a recovery plan as the API gives and takes them: no I/O.

Groups are lists of dictionaries with ASR's names; every function gives new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from coordinator.cli.failures import CommandError, ExitCode, not_found

Group: TypeAlias = dict[str, Any]
Groups: TypeAlias = list[Group]

MACHINES = "replicationProtectedItems"
BEFORE, AFTER = "startGroupActions", "endGroupActions"
PHASES = ("Shutdown", "Failover")


def boot_groups(groups: Groups) -> Groups:
    """The numbered groups, in order."""
    return [group for group in groups if group["groupType"] == "Boot"]


def machines_of(group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A group's machines."""
    return list(group.get(MACHINES) or ())


def machine_name(machine: Mapping[str, Any]) -> str:
    """A machine's name for people."""
    return str(machine.get("friendlyName") or machine.get("virtualMachineId") or machine["id"])


def matching(
    patterns: Iterable[str], things: Sequence[Any], name_of: Callable[[Any], str], kind: str
) -> list[Any]:
    """What names and patterns ("web-*", whatever the case) mean, each once, in their order.

    Raises:
        CommandError: One of them means nothing.
    """
    found: dict[int, Any] = {}
    for pattern in patterns:
        fits = [
            thing
            for thing in things
            if fnmatchcase(name_of(thing).casefold(), pattern.strip().casefold())
        ]
        if not fits:
            raise not_found(kind, pattern, [name_of(thing) for thing in things][:20])
        found |= {id(thing): thing for thing in sorted(fits, key=name_of)}
    return list(found.values())


def put_machines(groups: Groups, machines: Iterable[Mapping[str, Any]], number: int) -> Groups:
    """Puts machines at the end of a group, out of the one they are in.

    Args:
        groups: Of the plan.
        machines: With "id", and "friendlyName" for people.
        number: Of the group; one more than there are makes a new one.

    Raises:
        CommandError: There is no such group.
    """
    wanted = [dict(machine) for machine in machines]
    changed = take_machines(groups, wanted)
    if number == len(boot_groups(changed)) + 1:
        changed.append({"groupType": "Boot", MACHINES: []})
    group = _numbered(changed, number)
    group[MACHINES] = [*machines_of(group), *wanted]
    return changed


def take_machines(groups: Groups, machines: Iterable[Mapping[str, Any]]) -> Groups:
    """Takes machines out of the plan."""
    ids = {str(machine["id"]).lower() for machine in machines}
    changed = deepcopy(groups)
    for group in changed:
        group[MACHINES] = [
            machine for machine in machines_of(group) if str(machine["id"]).lower() not in ids
        ]
    return changed


def add_group(groups: Groups, machines: Iterable[Mapping[str, Any]], number: int) -> Groups:
    """Makes a group of machines, which leave the ones they are in.

    Args:
        groups: Of the plan.
        machines: As for `put_machines`.
        number: Its number; later groups move on by one.
    """
    wanted = [dict(machine) for machine in machines]
    changed = take_machines(groups, wanted)
    boots = boot_groups(changed)
    if not 1 <= number <= len(boots) + 1:
        raise _no_group(number, len(boots) + 1)
    boots.insert(number - 1, {"groupType": "Boot", MACHINES: wanted})
    return _with_boots(changed, boots)


def remove_group(groups: Groups, number: int, into: int | None = None) -> Groups:
    """Takes a group with its actions away.

    Args:
        groups: Of the plan.
        number: Of the group; later ones move up by one.
        into: Number of the group that takes its machines, as it is before; None: they leave the
            plan.
    """
    changed = deepcopy(groups)
    gone = _numbered(changed, number)
    if into is not None:
        if into == number:
            raise _no_group(into, len(boot_groups(changed)))
        target = _numbered(changed, into)
        target[MACHINES] = [*machines_of(target), *machines_of(gone)]
    return [group for group in changed if group is not gone]


def move_group(groups: Groups, number: int, to: int) -> Groups:
    """Gives a group another number; those between move by one."""
    changed = deepcopy(groups)
    boots = boot_groups(changed)
    group = _numbered(changed, number)
    _numbered(changed, to)
    boots = [each for each in boots if each is not group]
    boots.insert(to - 1, group)
    return _with_boots(changed, boots)


def add_action(
    groups: Groups, place: str, when: str, action: Mapping[str, Any], position: int | None = None
) -> Groups:
    """Puts an action before or after a group.

    Args:
        groups: Of the plan.
        place: A group's number, "shutdown" or "failover".
        when: BEFORE or AFTER.
        action: ASR's RecoveryPlanAction.
        position: From 1 among the actions there; None: the last.
    """
    changed = deepcopy(groups)
    group = _at(changed, place)
    actions = list(group.get(when) or ())
    actions.insert(len(actions) if position is None else position - 1, dict(action))
    group[when] = actions
    return changed


def take_action(groups: Groups, place: str, when: str, name: str) -> tuple[Groups, dict[str, Any]]:
    """Takes an action away.

    Returns:
        The groups without it, and the action.

    Raises:
        CommandError: There is none of that name there.
    """
    changed = deepcopy(groups)
    group = _at(changed, place)
    actions = list(group.get(when) or ())
    found = [each for each in actions if each["actionName"].casefold() == name.casefold()]
    if not found:
        raise not_found("action", name, [each["actionName"] for each in actions])
    group[when] = [each for each in actions if each is not found[0]]
    return changed, found[0]


def _at(groups: Groups, place: str) -> Group:
    """The group with that number, or the phase of that name, which is made if need be."""
    for phase in PHASES:
        if place.casefold() == phase.casefold():
            found = [group for group in groups if group["groupType"] == phase]
            if not found:
                groups.insert(0, {"groupType": phase, MACHINES: []})
            return found[0] if found else groups[0]
    if not place.isdecimal():
        raise CommandError(
            ExitCode.USAGE,
            f'"{place}" is no group.',
            recommended_action="Give a group's number, shutdown or failover.",
        )
    return _numbered(groups, int(place))


def _numbered(groups: Groups, number: int) -> Group:
    boots = boot_groups(groups)
    if not 1 <= number <= len(boots):
        raise _no_group(number, len(boots))
    return boots[number - 1]


def _with_boots(groups: Groups, boots: Groups) -> Groups:
    return [*(group for group in groups if group["groupType"] != "Boot"), *boots]


def _no_group(number: int, most: int) -> CommandError:
    return CommandError(
        ExitCode.NOT_FOUND,
        f"The group {number} cannot be meant.",
        possible_causes=[f"The plan's groups are numbered from 1 to {most}."],
        recommended_action="See: osr plan show",
    )
