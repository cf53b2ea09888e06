"""Groups of recovery plans in the API's words, and in those of files: pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coordinator.cli.apply.documents import Value
from coordinator.cli.plan_edits import AFTER, BEFORE, MACHINES, Groups

RUNS = {
    "test": "TestFailover",
    "planned": "PlannedFailover",
    "unplanned": "UnplannedFailover",
}
WAYS = {"there": "PrimaryToRecovery", "back": "RecoveryToPrimary"}
PHASES = {"shutdown": "Shutdown", "failover": "Failover"}
SIDES = {"before": BEFORE, "after": AFTER}
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


def groups_for_api(spec: Mapping[str, Value], machine_id: Callable[[str], str]) -> Groups:
    """Groups as the API takes them.

    Args:
        spec: Of a recovery plan.
        machine_id: The id of the protected item with that name.
    """
    found: Groups = [
        {"groupType": kind, MACHINES: [], **_actions_for_api(spec[phase])}
        for phase, kind in PHASES.items()
    ]
    for group in _list(spec["groups"]):
        machines = [{"id": machine_id(str(name))} for name in _list(_map(group)["machines"])]
        found.append({"groupType": "Boot", MACHINES: machines, **_actions_for_api(group)})
    return found


def groups_for_file(
    groups: Sequence[Mapping[str, Any]], machine_name: Callable[[str], str]
) -> dict[str, Value]:
    """The fields shutdown, failover and groups of a plan that the API gave.

    Args:
        groups: Of the plan.
        machine_name: The name of the protected item with that id.
    """
    by_type = {kind: phase for phase, kind in PHASES.items()}
    found: dict[str, Value] = {}
    boots: list[Value] = []
    for group in groups:
        actions = {
            side: [_action_for_file(action) for action in group.get(word) or ()]
            for side, word in SIDES.items()
        }
        phase = by_type.get(str(group["groupType"]))
        if phase is not None:
            found[phase] = actions
            continue
        machines = [machine_name(str(machine["id"])) for machine in group.get(MACHINES) or ()]
        boots.append({"machines": machines, **actions})
    # A group whose machines are all protected no more is left out of runs.
    return {**found, "groups": [boot for boot in boots if _map(boot)["machines"]]}


def _actions_for_api(place: Value) -> dict[str, Any]:
    known = _map(place)
    return {
        word: [_action_for_api(_map(action)) for action in _list(known[side])]
        for side, word in SIDES.items()
    }


def _action_for_api(action: Mapping[str, Value]) -> dict[str, Any]:
    limit = action["timeLimitSeconds"]
    details: dict[str, Any] = {"timeout": None if limit is None else f"PT{limit}S"}
    if action["script"]:
        details |= {
            "instanceType": "ScriptActionDetails",
            "path": action["script"],
            "fabricLocation": action["side"],
            "sha256": action["sha256"] or None,
        }
    else:
        details |= {"instanceType": "ManualActionDetails", "description": action["manual"]}
    rule = action["onFailure"]
    return {
        "actionName": action["name"],
        "failoverTypes": [RUNS[str(run)] for run in _list(action["run"])],
        "failoverDirections": [WAYS[str(way)] for way in _list(action["way"])],
        "customDetails": details,
        "failureRule": None if rule == "default" else rule,
    }


def _action_for_file(action: Mapping[str, Any]) -> dict[str, Value]:
    details = action["customDetails"]
    script = details["instanceType"] == "ScriptActionDetails"
    runs = {word: run for run, word in RUNS.items()}
    ways = {word: way for way, word in WAYS.items()}
    return {
        "name": action["actionName"],
        "script": details["path"].removeprefix("\\") if script else "",
        "manual": "" if script else details["description"],
        "side": details["fabricLocation"] if script else "Recovery",
        "run": [runs[word] for word in action["failoverTypes"]],
        "way": [ways[word] for word in action["failoverDirections"]],
        "timeLimitSeconds": seconds_of(details.get("timeout")),
        "sha256": details.get("sha256") or "",
        "onFailure": action.get("failureRule") or "default",
    }


def seconds_of(duration: str | None) -> int | None:
    """Seconds of ISO 8601's "PT1M30S"; None when there is none."""
    parts = _DURATION.fullmatch(duration or "-")
    if parts is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return (hours * 60 + minutes) * 60 + seconds


def _map(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Value) -> Sequence[Value]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
