"""The stored form of a plan's groups and actions: JSON, there and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.records import (
    Action,
    ActionRule,
    FailoverType,
    GroupRecord,
    GroupType,
    ManualAction,
    ScriptAction,
)

Document: TypeAlias = dict[str, object]


def write_groups(groups: Iterable[GroupRecord]) -> list[Document]:
    """Types and actions of the groups; machines are stored elsewhere."""
    return [
        {
            "type": str(group.type),
            "start_actions": [_write_action(action) for action in group.start_actions],
            "end_actions": [_write_action(action) for action in group.end_actions],
        }
        for group in groups
    ]


def read_stored_groups(stored: Sequence[Mapping[str, object]]) -> tuple[GroupRecord, ...]:
    """What `write_groups` wrote, Boot groups numbered from 1, without machines."""
    found = []
    boot = 0
    for document in stored:
        kind = GroupType(str(document["type"]))
        boot += kind is GroupType.BOOT
        found.append(
            GroupRecord(
                type=kind,
                number=boot if kind is GroupType.BOOT else 0,
                start_actions=_read_actions(document["start_actions"]),
                end_actions=_read_actions(document["end_actions"]),
            )
        )
    return tuple(found)


def stored_phases(stored: Sequence[Mapping[str, object]]) -> tuple[GroupRecord, ...]:
    """A stored revision; for items stand the Hyper-V ids of their machines."""
    return tuple(
        replace(
            group,
            item_ids=tuple(
                machine["vm_id"]
                for machine in cast("Sequence[Mapping[str, str]]", document["machines"])
            ),
        )
        for group, document in zip(read_stored_groups(stored), stored, strict=True)
    )


def _write_action(action: Action) -> Document:
    document: Document = {
        "name": action.name,
        "failover_types": [str(each) for each in action.failover_types],
        "failover_directions": [str(each) for each in action.failover_directions],
        "failure_rule": None if action.failure_rule is None else str(action.failure_rule),
        "time_limit_seconds": action.time_limit_seconds,
    }
    if isinstance(action, ScriptAction):
        return document | {
            "side": str(action.side),
            "path": action.path,
            "sha256": action.sha256,
        }
    return document | {"instructions": action.instructions}


def _read_actions(stored: object) -> tuple[Action, ...]:
    return tuple(_read_action(each) for each in cast("Sequence[Mapping[str, object]]", stored))


def _read_action(stored: Mapping[str, object]) -> Action:
    rule, limit = stored["failure_rule"], stored["time_limit_seconds"]
    name = str(stored["name"])
    types = tuple(FailoverType(each) for each in cast("Sequence[str]", stored["failover_types"]))
    directions = tuple(
        FailoverDirection(each) for each in cast("Sequence[str]", stored["failover_directions"])
    )
    failure_rule = None if rule is None else ActionRule(str(rule))
    if "path" in stored:
        return ScriptAction(
            name=name,
            failover_types=types,
            failover_directions=directions,
            failure_rule=failure_rule,
            side=ActiveLocation(str(stored["side"])),
            path=str(stored["path"]),
            time_limit_seconds=cast("int", limit),
            # Not in what older versions wrote.
            sha256=str(stored.get("sha256", "")),
        )
    return ManualAction(
        name=name,
        failover_types=types,
        failover_directions=directions,
        failure_rule=failure_rule,
        instructions=str(stored["instructions"]),
        time_limit_seconds=cast("int | None", limit),
    )
