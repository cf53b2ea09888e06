"""Recovery plans in files, JSON or YAML, that name machines and servers as people do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.plan_edits import AFTER, BEFORE, MACHINES, Groups, machine_name, machines_of
from coordinator.cli.session import as_plain

FORMAT = "recovery plan 1"


@dataclass(frozen=True)
class PlanFile:
    """What a file says.

    Attributes:
        groups: As the API takes them.
    """

    name: str
    primary_server: str
    recovery_server: str
    groups: Groups


def write_plan_file(plan: Any, *, as_yaml: bool = False) -> str:
    """A plan as the text of a file."""
    properties = as_plain(plan)["properties"]
    document = {
        "format": FORMAT,
        "name": properties["friendlyName"],
        "primaryServer": properties["primaryFabricFriendlyName"],
        "recoveryServer": properties["recoveryFabricFriendlyName"],
        "groups": [
            {
                "type": group["groupType"],
                "machines": [machine_name(machine) for machine in machines_of(group)],
                "before": group.get(BEFORE) or [],
                "after": group.get(AFTER) or [],
            }
            for group in properties["groups"]
        ],
    }
    if as_yaml:
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip()
    return json.dumps(document, indent=2, ensure_ascii=False)


def is_yaml(file: Path) -> bool:
    """Whether a file is YAML, by its name."""
    return file.suffix.lower() in {".yaml", ".yml"}


def read_plan_file(
    file: Path, find_machines: Callable[[list[str]], list[dict[str, Any]]]
) -> PlanFile:
    """Reads such a file; machines may be named by patterns too.

    Args:
        file: The file.
        find_machines: Gives the members of a group by names and patterns.

    Raises:
        CommandError: It cannot be read, is no such file, or names what is not there.
    """
    try:
        text = file.read_text(encoding="utf-8")
        told = yaml.safe_load(text) if is_yaml(file) else json.loads(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _unreadable(file, str(error)) from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise _unreadable(file, f'it has no "format": "{FORMAT}"')
    try:
        return PlanFile(
            name=str(told["name"]),
            primary_server=str(told["primaryServer"]),
            recovery_server=str(told["recoveryServer"]),
            groups=[_group(group, find_machines) for group in told["groups"]],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(file, f"{error} is missing, or not what it should be") from error


def _group(
    group: Mapping[str, Any], find_machines: Callable[[list[str]], list[dict[str, Any]]]
) -> dict[str, Any]:
    names = [str(name) for name in group.get("machines", ())]
    return {
        "groupType": str(group["type"]),
        MACHINES: find_machines(names) if names else [],
        BEFORE: list(group.get("before", ())),
        AFTER: list(group.get("after", ())),
    }


def _unreadable(file: Path, reason: str) -> CommandError:
    return CommandError(
        ExitCode.USAGE,
        f"{file} cannot be read as a recovery plan: {reason}.",
        recommended_action="Use a file that osr plan export wrote.",
    )
