"""Recovery plans as values: groups in order, their machines, and the actions around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from coordinator.protection.states import ActiveLocation, FailoverDirection

# ASR's limit of a script, and what an action without one gets.
SCRIPT_TIME_LIMIT_SECONDS = 600


class GroupType(StrEnum):
    """ASR's RecoveryPlanGroupType."""

    # The phase in which all machines are shut down; has actions only.
    SHUTDOWN = "Shutdown"
    # The phase in which all machines fail over; has actions only.
    FAILOVER = "Failover"
    # Machines that start together; these are the numbered groups.
    BOOT = "Boot"


class FailoverType(StrEnum):
    """What a plan can be run as; the names are those of the items' operations."""

    TEST = "TestFailover"
    PLANNED = "PlannedFailover"
    UNPLANNED = "UnplannedFailover"


class ActionPosition(StrEnum):
    """Before or after what a group does."""

    START = "start"
    END = "end"


class ActionRule(StrEnum):
    """What the failure of an action means for the plan."""

    STOP = "Stop"
    CONTINUE = "Continue"


# What holds for actions that say nothing (SPEC RP-3). A test stops as a planned failover does:
# nobody is served by a drill that goes on past what it was to find out.
DEFAULT_RULES: dict[FailoverType, ActionRule] = {
    FailoverType.TEST: ActionRule.STOP,
    FailoverType.PLANNED: ActionRule.STOP,
    FailoverType.UNPLANNED: ActionRule.CONTINUE,
}


@dataclass(frozen=True, kw_only=True)
class PlanAction:
    """What manual actions and scripts have in common.

    Attributes:
        name: Unique at its position in its group, whatever the case.
        failover_types: As which the plan runs when the action is part of it.
        failover_directions: Which way it runs then.
        failure_rule: None: as `DEFAULT_RULES` says for the type of the run.
    """

    name: str
    failover_types: tuple[FailoverType, ...]
    failover_directions: tuple[FailoverDirection, ...]
    failure_rule: ActionRule | None = None

    def applies(self, failover_type: FailoverType, direction: FailoverDirection) -> bool:
        """Whether the action is part of such a run."""
        return failover_type in self.failover_types and direction in self.failover_directions

    def rule(self, failover_type: FailoverType) -> ActionRule:
        """What the failure of the action means for a run of that type. Source: SPEC RP-3."""
        return self.failure_rule or DEFAULT_RULES[failover_type]


@dataclass(frozen=True, kw_only=True)
class ScriptAction(PlanAction):
    """A script of the library share.

    Attributes:
        side: Whose VMM server runs it: the plan's primary or recovery server, whichever way the
            plan runs.
        path: Relative to the root of the share, with backslashes, none at the front.
        time_limit_seconds: 1 to 600.
        sha256: What the file must be when it is run, lower-case hexadecimal; empty: anything.
    """

    side: ActiveLocation
    path: str
    time_limit_seconds: int = SCRIPT_TIME_LIMIT_SECONDS
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ManualAction(PlanAction):
    """Something that people do while the plan waits.

    Attributes:
        instructions: What they are to do.
        time_limit_seconds: After which an event is raised; the plan waits on. None: never.
    """

    instructions: str
    time_limit_seconds: int | None = None


Action: TypeAlias = ScriptAction | ManualAction


@dataclass(frozen=True)
class GoneItem:
    """A machine that was in the plan and is protected no more: shown, and left out of runs."""

    name: str
    vm_id: str


@dataclass(frozen=True, kw_only=True)
class GroupRecord:
    """A group, or one of the two phases before them.

    Attributes:
        type: See GroupType.
        number: From 1, for Boot groups; 0 for the phases.
        item_ids: Ids of protected items, in the order the plan's author gave; they are treated
            at the same time.
        start_actions: In their order, one after the other, before the group.
        end_actions: The same after it.
        gone: What is left out.
    """

    type: GroupType
    number: int
    item_ids: tuple[str, ...] = ()
    start_actions: tuple[Action, ...] = ()
    end_actions: tuple[Action, ...] = ()
    gone: tuple[GoneItem, ...] = ()

    @property
    def key(self) -> str:
        """Stable within a revision of the plan: "shutdown", "failover", "group-1" ..."""
        return f"group-{self.number}" if self.type is GroupType.BOOT else self.type.value.lower()

    def actions(self, position: ActionPosition) -> tuple[Action, ...]:
        """The actions before or after the group."""
        return self.start_actions if position is ActionPosition.START else self.end_actions


@dataclass(frozen=True)
class PlacedAction:
    """An action with its place in the plan.

    Attributes:
        group: Key of the group.
        position: Before or after it.
        order: From 1 at that position.
    """

    group: str
    position: ActionPosition
    order: int
    action: Action

    @property
    def key(self) -> str:
        """Stable within a revision of the plan, for example "group-1/start/2"."""
        return f"{self.group}/{self.position}/{self.order}"


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """A recovery plan as it was saved.

    Attributes:
        revision: Raised with each save.
        primary_fabric_id: The server whose machines it protects.
        recovery_fabric_id: The server they fail over to; the same one where a server has both
            clouds.
        shutdown: Actions before and after the machines are shut down.
        failover: Actions before and after the machines fail over.
        groups: The Boot groups, in the order in which they start; shutting down goes the other
            way round.
    """

    id: str
    vault_id: str
    name: str
    revision: int
    primary_fabric_id: str
    recovery_fabric_id: str
    shutdown: GroupRecord = GroupRecord(type=GroupType.SHUTDOWN, number=0)
    failover: GroupRecord = GroupRecord(type=GroupType.FAILOVER, number=0)
    groups: tuple[GroupRecord, ...] = ()

    @property
    def phases(self) -> tuple[GroupRecord, ...]:
        """Everything in the order in which ASR lists it: shutdown, failover, the groups."""
        return (self.shutdown, self.failover, *self.groups)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """All machines, group by group."""
        return tuple(item_id for group in self.groups for item_id in group.item_ids)

    def actions(self) -> Iterator[PlacedAction]:
        """All actions with their places, in the order of `phases`."""
        for group in self.phases:
            for position in ActionPosition:
                for order, action in enumerate(group.actions(position), start=1):
                    yield PlacedAction(group.key, position, order, action)
