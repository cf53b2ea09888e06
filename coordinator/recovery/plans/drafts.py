"""A recovery plan as somebody wants it: read by nobody yet, so its words may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ActionDraft:
    """An action as a client describes it.

    Attributes:
        details: ASR's customDetails, with "instanceType".
        failure_rule: "Stop" or "Continue"; None: as the type of the run has it.
    """

    name: str
    failover_types: tuple[str, ...]
    failover_directions: tuple[str, ...]
    details: Mapping[str, object] = field(default_factory=dict)
    failure_rule: str | None = None


@dataclass(frozen=True, kw_only=True)
class GroupDraft:
    """A group as a client describes it.

    Attributes:
        type: "Shutdown", "Failover" or "Boot".
        item_ids: Ids of protected items.
    """

    type: str
    item_ids: tuple[str, ...] = ()
    start_actions: tuple[ActionDraft, ...] = ()
    end_actions: tuple[ActionDraft, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """What is known of a protected item that is to be in a plan.

    Attributes:
        leaving: Its protection is being disabled, and it is not in the plan yet.
    """

    item_id: str
    name: str
    vm_id: str
    primary_fabric_id: str
    recovery_fabric_id: str
    leaving: bool = False


@dataclass(frozen=True, kw_only=True)
class FabricPair:
    """The two servers of a plan, with their names for people."""

    primary_id: str
    recovery_id: str
    primary_name: str
    recovery_name: str

    def __str__(self) -> str:
        return f"{self.primary_name} to {self.recovery_name}"


@dataclass(frozen=True)
class PlanLimits:
    """How large a plan may be.

    Attributes:
        groups: Boot groups.
        machines: In all groups.
    """

    groups: int = 7
    machines: int = 2000
