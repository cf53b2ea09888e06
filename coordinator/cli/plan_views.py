"""Recovery plans for people: a tree of groups, and a line in a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from coordinator.cli.plan_edits import (
    AFTER,
    BEFORE,
    boot_groups,
    machine_name,
    machines_of,
)

# So many machines of a group are named in a tree.
MOST_NAMED = 50
_SHORT = {
    "TestFailover": "test",
    "PlannedFailover": "planned",
    "UnplannedFailover": "unplanned",
    "PrimaryToRecovery": "there",
    "RecoveryToPrimary": "back",
}


def _count(plan: Any, what: Callable[[Mapping[str, Any]], int]) -> str:
    return str(sum(what(group) for group in plan.properties.groups))


def _doing(plan: Any) -> str:
    name = str(plan.properties.current_scenario.scenario_name)
    return "-" if name == "None" else f"{name} ({plan.properties.current_scenario_status})"


def _time(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "year") else "never"


COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Name": lambda plan: str(plan.properties.friendly_name),
    "From": lambda plan: str(plan.properties.primary_fabric_friendly_name),
    "To": lambda plan: str(plan.properties.recovery_fabric_friendly_name),
    "Groups": lambda plan: _count(plan, lambda group: int(group["groupType"] == "Boot")),
    "Machines": lambda plan: _count(plan, lambda group: len(machines_of(group))),
    "Actions": lambda plan: _count(
        plan, lambda group: len(group.get(BEFORE) or ()) + len(group.get(AFTER) or ())
    ),
    "Left out": lambda plan: _count(plan, lambda group: len(group.get("removedItems") or ())),
    "Doing": _doing,
    "Last test": lambda plan: _time(plan.properties.last_test_failover_time),
    "Last planned": lambda plan: _time(plan.properties.last_planned_failover_time),
    "Last unplanned": lambda plan: _time(plan.properties.last_unplanned_failover_time),
}

HISTORY_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Revision": lambda one: (
        f"{one['properties']['revision']}" + (" (now)" if one["properties"]["current"] else "")
    ),
    "Saved": lambda one: str(one["properties"]["savedTime"])[:19].replace("T", " "),
    "By": lambda one: str(one["properties"]["savedBy"]),
    "Machines": lambda one: str(one["properties"]["machines"]),
    "Actions": lambda one: str(one["properties"]["actions"]),
    "Changed": lambda one: (
        "; ".join(one["properties"]["changes"][:5])
        + (" ..." if len(one["properties"]["changes"]) > 5 else "")
    ),
}


def plan_tree(plan: Mapping[str, Any]) -> Tree:
    """A plan in the order in which it runs; shutting down goes through the groups backwards."""
    properties = plan["properties"]
    groups = properties["groups"]
    tree = Tree(
        f"[bold]{escape(properties['friendlyName'])}[/bold]: "
        f"{escape(properties['primaryFabricFriendlyName'])} to "
        f"{escape(properties['recoveryFabricFriendlyName'])}, revision {properties['revision']}"
    )
    for group in groups:
        if group["groupType"] != "Boot":
            branch = _with_actions(tree, group, f"{group['groupType']}: all machines")
            branch.add("in the reverse order of the groups" if _is_shutdown(group) else "at once")
            _after(tree, group)
    for number, group in enumerate(boot_groups(groups), start=1):
        machines = machines_of(group)
        branch = _with_actions(tree, group, f"Group {number}: start {len(machines)} machines")
        for machine in machines[:MOST_NAMED]:
            branch.add(escape(machine_name(machine)))
        if len(machines) > MOST_NAMED:
            branch.add(f"and {len(machines) - MOST_NAMED} more")
        for gone in group.get("removedItems") or ():
            branch.add(f"[dim]{escape(gone['friendlyName'])}: not protected, left out[/dim]")
        _after(tree, group)
    allowed = ", ".join(properties.get("allowedOperations") or ()) or "none"
    tree.add(f"Allowed now: {allowed}")
    return tree


def action_line(action: Mapping[str, Any]) -> str:
    """An action in a line."""
    details = action["customDetails"]
    if details["instanceType"] == "ScriptActionDetails":
        what = f"script {details['path']} on the {details['fabricLocation']} server"
        limit = f", at most {details['timeout']}" if details.get("timeout") else ""
        limit += f", SHA-256 {details['sha256'][:12]}…" if details.get("sha256") else ""
    else:
        what = f"manual: {details['description']}"
        limit = f", event after {details['timeout']}" if details.get("timeout") else ""
    runs = "/".join(_SHORT.get(each, each) for each in action["failoverTypes"])
    ways = "/".join(_SHORT.get(each, each) for each in action["failoverDirections"])
    rule = f", on failure {action['failureRule'].lower()}" if action.get("failureRule") else ""
    return f"{action['actionName']}: {what} ({runs}; {ways}{limit}{rule})"


def _with_actions(tree: Tree, group: Mapping[str, Any], title: str) -> Tree:
    for action in group.get(BEFORE) or ():
        tree.add(f"before: {escape(action_line(action))}")
    return tree.add(f"[bold]{escape(title)}[/bold]")


def _after(tree: Tree, group: Mapping[str, Any]) -> None:
    for action in group.get(AFTER) or ():
        tree.add(f"after: {escape(action_line(action))}")


def _is_shutdown(group: Mapping[str, Any]) -> bool:
    return bool(group["groupType"] == "Shutdown")
