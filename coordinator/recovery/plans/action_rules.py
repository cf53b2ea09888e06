"""What an action of a recovery plan may be (SPEC RP-2, RP-3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from coordinator.failures import RefusedError, refuse
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.drafts import ActionDraft
from coordinator.recovery.plans.records import (
    SCRIPT_TIME_LIMIT_SECONDS,
    Action,
    ActionRule,
    FailoverType,
    ManualAction,
    ScriptAction,
)
from coordinator.recovery.plans.script_paths import read_script_path

Word = TypeVar("Word", bound=StrEnum)

# ASR's RecoveryPlanActionDetailsTypes.
SCRIPT, MANUAL, RUNBOOK = (
    "ScriptActionDetails",
    "ManualActionDetails",
    "AutomationRunbookActionDetails",
)
MOST_ACTIONS = 50
LONGEST_NAME = 128
LONGEST_INSTRUCTIONS = 4000
# Thirty days: somebody who takes longer is not waiting for an answer any more.
LONGEST_WAIT_SECONDS = 30 * 24 * 3600
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)", re.ASCII)
_ISO = re.compile(r"PT(?=\d)(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?", re.ASCII)


def read_actions(drafts: Sequence[ActionDraft], field: str) -> tuple[Action, ...]:
    """Reads the actions before or after a group.

    Args:
        drafts: In the order in which they run.
        field: Where they stood.

    Raises:
        RefusedError: 400, naming the field: RecoveryPlanTooManyActions,
            RecoveryPlanActionNameInvalid, RecoveryPlanActionNameInUse,
            RecoveryPlanActionValueInvalid, RecoveryPlanActionNotSupported,
            RecoveryPlanScriptPathInvalid, RecoveryPlanScriptHashInvalid,
            RecoveryPlanTimeLimitInvalid.
    """
    if len(drafts) > MOST_ACTIONS:
        raise refuse(
            "RecoveryPlanTooManyActions",
            f"{len(drafts)} actions are in one place; {MOST_ACTIONS} may be.",
            causes=["Each action runs after the one before it, and the plan waits for each."],
            action="Put several things into one script.",
            field=field,
        )
    found: list[Action] = []
    names: set[str] = set()
    for index, draft in enumerate(drafts):
        action = read_action(draft, f"{field}[{index}]")
        if action.name.casefold() in names:
            raise refuse(
                "RecoveryPlanActionNameInUse",
                f"Two actions in one place are called {action.name}.",
                causes=["Jobs tell the actions of a place apart by their names."],
                action="Give one of them another name.",
                field=f"{field}[{index}].actionName",
            )
        names.add(action.name.casefold())
        found.append(action)
    return tuple(found)


def read_action(draft: ActionDraft, field: str) -> Action:
    """Reads one action.

    Raises:
        RefusedError: As `read_actions`.
    """
    name = _name(draft.name, f"{field}.actionName")
    types = _words(draft.failover_types, FailoverType, f"{field}.failoverTypes")
    directions = _words(draft.failover_directions, FailoverDirection, f"{field}.failoverDirections")
    rule = (
        None
        if draft.failure_rule is None
        else _word(draft.failure_rule, ActionRule, f"{field}.failureRule")
    )
    details = f"{field}.customDetails"
    kind = draft.details.get("instanceType")
    if _same(kind, SCRIPT):
        return ScriptAction(
            name=name,
            failover_types=types,
            failover_directions=directions,
            failure_rule=rule,
            side=_word(
                draft.details.get("fabricLocation"), ActiveLocation, f"{details}.fabricLocation"
            ),
            path=read_script_path(draft.details.get("path"), f"{details}.path"),
            time_limit_seconds=read_time_limit(
                draft.details.get("timeout"), SCRIPT_TIME_LIMIT_SECONDS, f"{details}.timeout"
            )
            or SCRIPT_TIME_LIMIT_SECONDS,
            sha256=_hash(draft.details.get("sha256"), f"{details}.sha256"),
        )
    if _same(kind, MANUAL):
        return ManualAction(
            name=name,
            failover_types=types,
            failover_directions=directions,
            failure_rule=rule,
            instructions=_instructions(draft.details, f"{details}.description"),
            time_limit_seconds=read_time_limit(
                draft.details.get("timeout"), LONGEST_WAIT_SECONDS, f"{details}.timeout"
            ),
        )
    raise _unsupported(kind, f"{details}.instanceType")


def read_time_limit(given: object, most_seconds: int, field: str) -> int | None:
    """Reads a time limit: seconds, "hh:mm:ss" or ISO 8601 ("PT10M").

    Args:
        given: As the client wrote it; None or empty when there is none.
        most_seconds: The longest there may be; the shortest is a second.
        field: Where it stood.

    Returns:
        Seconds; None when none was given.

    Raises:
        RefusedError: RecoveryPlanTimeLimitInvalid (400).
    """
    if given is None or given == "":
        return None
    seconds = _seconds(given)
    if seconds is not None and 1 <= seconds <= most_seconds:
        return seconds
    raise refuse(
        "RecoveryPlanTimeLimitInvalid",
        f"'{str(given)[:64]}' cannot be the time limit of this action.",
        causes=[
            f"It is between 1 and {most_seconds} seconds.",
            "It is written as seconds, as hh:mm:ss, or as PT10M.",
        ],
        action=f"Give a time limit of at most {most_seconds} seconds.",
        field=field,
    )


def _seconds(given: object) -> int | None:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if not isinstance(given, str):
        return None
    text = given.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    parts = _CLOCK.fullmatch(text) or _ISO.fullmatch(text.upper())
    if parts is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return (hours * 60 + minutes) * 60 + seconds


def _name(given: str, field: str) -> str:
    name = given.strip()
    if 0 < len(name) <= LONGEST_NAME and name.isprintable():
        return name
    raise refuse(
        "RecoveryPlanActionNameInvalid",
        f"'{name[:LONGEST_NAME]}' cannot be the name of an action.",
        causes=[f"A name has 1 to {LONGEST_NAME} characters and no line breaks."],
        action="Give the action a short name; instructions have a field of their own.",
        field=field,
    )


def _instructions(details: Mapping[str, object], field: str) -> str:
    given = details.get("description")
    if isinstance(given, str) and 0 < len(given.strip()) <= LONGEST_INSTRUCTIONS:
        return given.strip()
    raise refuse(
        "RecoveryPlanActionValueInvalid",
        "A manual action says what is to be done.",
        causes=[f"The instructions are missing or longer than {LONGEST_INSTRUCTIONS} characters."],
        action="Describe what the operator has to do before the plan goes on.",
        field=field,
    )


def _hash(given: object, field: str) -> str:
    if given is None or given == "":
        return ""
    if isinstance(given, str) and _SHA256.fullmatch(given.strip().lower()):
        return given.strip().lower()
    raise refuse(
        "RecoveryPlanScriptHashInvalid",
        f"'{str(given)[:80]}' is no SHA-256.",
        causes=["A SHA-256 is written as 64 hexadecimal digits."],
        action="Take it from Get-FileHash, or from a dry run of the plan; or give none.",
        field=field,
    )


def _words(given: Sequence[str], words: type[Word], field: str) -> tuple[Word, ...]:
    if not given:
        raise refuse(
            "RecoveryPlanActionValueInvalid",
            f"{field.rpartition('.')[2]} is empty: the action would never run.",
            causes=[f"It needs at least one of {', '.join(words)}."],
            action="Name the runs that the action is part of, or leave the action out.",
            field=field,
        )
    found = [_word(each, words, f"{field}[{index}]") for index, each in enumerate(given)]
    return tuple(dict.fromkeys(found))


def _word(given: object, words: type[Word], field: str) -> Word:
    for word in words:
        if _same(given, word):
            return word
    raise refuse(
        "RecoveryPlanActionValueInvalid",
        f"'{str(given)[:64]}' is none of {', '.join(words)}.",
        causes=["The word is misspelt.", "Plans have no actions for the other operations."],
        action=f"Use {' or '.join(words)}.",
        field=field,
    )


def _same(given: object, word: str) -> bool:
    return isinstance(given, str) and given.lower() == word.lower()


def _unsupported(kind: object, field: str) -> RefusedError:
    if _same(kind, RUNBOOK):
        return refuse(
            "RecoveryPlanActionNotSupported",
            "Runbooks of Azure Automation cannot run between two sites.",
            causes=["They need machines that fail over to Azure."],
            action=f"Put the steps into a script on the VMM server ({SCRIPT}).",
            field=field,
        )
    return refuse(
        "RecoveryPlanActionNotSupported",
        f"'{str(kind)[:64]}' is no kind of action.",
        causes=["The instanceType of customDetails is missing or misspelt."],
        action=f"Use {SCRIPT} or {MANUAL}.",
        field=field,
    )
