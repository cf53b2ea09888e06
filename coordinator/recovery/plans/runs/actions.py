"""Scripts and manual actions of a plan as steps of its run (SPEC RP-2, RP-3)."""

from __future__ import annotations

from coordinator.jobs.steps import FailureRule, Output, StepKind, StepSpec
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.plans.records import (
    ActionPosition,
    ActionRule,
    FailoverType,
    GroupRecord,
    GroupType,
    PlacedAction,
    ScriptAction,
)
from coordinator.recovery.plans.runs.context import script_context
from coordinator.recovery.plans.runs.requests import RunRequest
from coordinator.recovery.plans.runs.sequence import Sequence

RUN_SCRIPT = "run_plan_script"
KEEP_OUTPUT = "recovery.keep_plan_script_output"
JUDGE_SCRIPT = "recovery.judge_plan_script"
MANUAL_ACTION = "recovery.plan_manual_action"

# For the command's way, and for starting and ending the script's process, beside its own limit.
COMMAND_MARGIN_SECONDS = 120
# So long a script that need not run may wait for a provider that has just gone away: a lost
# session is noticed, or made anew, within this.
AWAY_SECONDS = 60

_RULES = {ActionRule.STOP: FailureRule.STOP, ActionRule.CONTINUE: FailureRule.WARN}
_POSITIONS = {ActionPosition.START: "before", ActionPosition.END: "after"}


def add_actions(
    sequence: Sequence, request: RunRequest, group: GroupRecord, position: ActionPosition
) -> None:
    """Adds what is to be done before or after a group, one action after the other.

    Actions of other types of runs, or of the other direction, are left out.
    """
    kind, direction = request.failover_type, request.direction
    if kind is None or direction is None:
        return
    for order, action in enumerate(group.actions(position), start=1):
        if action.applies(kind, direction):
            placed = PlacedAction(group.key, position, order, action)
            _Action(request, kind, group, placed).add(sequence)


def skip_actions(sequence: Sequence, request: RunRequest, group: GroupRecord, reason: str) -> None:
    """Shows the actions around a phase that this run does not have."""
    kind, direction = request.failover_type, request.direction
    if kind is None or direction is None:
        return
    for position in ActionPosition:
        for order, action in enumerate(group.actions(position), start=1):
            if action.applies(kind, direction):
                placed = PlacedAction(group.key, position, order, action)
                sequence.add_task(placed.key, _friendly_name(group, placed), reason)


class _Action:
    """One action of a run.

    Args:
        request: The run.
        kind: As what the plan runs.
        group: The action's group.
        placed: The action with its place.
    """

    def __init__(
        self, request: RunRequest, kind: FailoverType, group: GroupRecord, placed: PlacedAction
    ) -> None:
        self._request = request
        self._kind = kind
        self._group = group
        self._placed = placed

    def add(self, sequence: Sequence) -> None:
        action, key = self._placed.action, self._placed.key
        friendly_name = _friendly_name(self._group, self._placed)
        if isinstance(action, ScriptAction):
            reason = self._why_not(action)
            sequence.add_task(key, friendly_name, reason)
            if not reason:
                self._add_script(sequence, action)
            return
        sequence.add_task(key, friendly_name)
        sequence.then(
            StepSpec(
                key=key,
                task=key,
                kind=StepKind.MANUAL,
                action=MANUAL_ACTION,
                inputs={
                    "name": action.name,
                    "instructions": action.instructions,
                    "plan": self._request.plan.name,
                    "time_limit_seconds": action.time_limit_seconds or 0,
                },
                # 0: nobody is told.
                time_limit_seconds=action.time_limit_seconds or 0,
            )
        )

    def _why_not(self, action: ScriptAction) -> str:
        """Why a script is left out from the start; empty when it is to run.

        Only of one that may fail, in a run that must not wait: with the rule Stop, and in planned
        runs, a server that is away may come back in time.
        """
        server = self._request.servers[action.side]
        if not server.provider_id:
            return f"{server.name} has no provider in the vault any more."
        may_fail = action.rule(self._kind) is ActionRule.CONTINUE
        if self._kind is FailoverType.UNPLANNED and may_fail and not server.connected:
            return f"The provider of {server.name}, where the script would run, is not connected."
        return ""

    def _add_script(self, sequence: Sequence, action: ScriptAction) -> None:
        key = self._placed.key
        rule = _RULES[action.rule(self._kind)]
        hurried = self._kind is FailoverType.UNPLANNED and rule is FailureRule.WARN
        sequence.then(
            StepSpec(
                key=f"{key}/run",
                task=key,
                kind=StepKind.COMMAND,
                action=RUN_SCRIPT,
                provider=self._request.servers[action.side].provider_id,
                inputs={
                    "path": action.path,
                    "context": script_context(self._request, self._kind, self._group),
                    "script_time_limit": f"{action.time_limit_seconds}s",
                    "sha256": action.sha256,
                },
                on_failure=rule,
                time_limit_seconds=action.time_limit_seconds + COMMAND_MARGIN_SECONDS,
                # What a script has done is not known, so none is run twice.
                attempts=1,
                patience_seconds=AWAY_SECONDS if hurried else 0,
            )
        )
        told = {
            "name": action.name,
            "path": action.path,
            "primary_side": action.side is ActiveLocation.PRIMARY,
            "limit_seconds": action.time_limit_seconds,
            **{
                field: Output(f"{key}/run", field, optional=rule is FailureRule.WARN)
                for field in ("outcome", "output", "error_output")
            },
        }
        # What it wrote is kept whether or not that means a failure.
        for step_key, record, on_failure in (
            (f"{key}/output", KEEP_OUTPUT, FailureRule.STOP),
            (f"{key}/judge", JUDGE_SCRIPT, rule),
        ):
            sequence.then(
                StepSpec(
                    key=step_key,
                    task=key,
                    kind=StepKind.RECORD,
                    action=record,
                    inputs=told,
                    on_failure=on_failure,
                )
            )


def _friendly_name(group: GroupRecord, placed: PlacedAction) -> str:
    where = f"group {group.number}" if group.type is GroupType.BOOT else f"{group.type}".lower()
    what = "Script" if isinstance(placed.action, ScriptAction) else "Manual action"
    return f"{what} {_POSITIONS[placed.position]} {where}: {placed.action.name}"
