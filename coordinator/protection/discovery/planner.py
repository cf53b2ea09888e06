"""The graphs of refreshing a server and of checking its consistency: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec

# No recording shows ASR's names of these.
REFRESH_SCENARIO = "RefreshProvider"
REFRESH_FRIENDLY_NAME = "Refresh server"
CONSISTENCY_SCENARIO = "CheckConsistency"
CONSISTENCY_FRIENDLY_NAME = "Check consistency"

READ = "RefreshFabricTask"
CHECK = "ConsistencyCheckTask"

# A server with ten thousand machines is read in well under this.
LOOK_SECONDS = 1800
STORE_SECONDS = 300


@dataclass(frozen=True)
class LookSnapshot:
    """Which server is looked at, and by which provider.

    Attributes:
        pool_ids: VMM's ids of the pools that replicas' addresses are reserved in.
    """

    fabric_id: str
    provider_id: str
    pool_ids: tuple[str, ...] = ()


def plan_refresh(snapshot: LookSnapshot) -> Graph:
    """Looks at everything of a server; ends when the vault has what was seen. Source: DI-2."""
    return Graph(
        tasks=(TaskSpec(READ, "Reading the server"),),
        steps=tuple(_look(snapshot, everything=False)),
    )


def plan_consistency_check(snapshot: LookSnapshot) -> Graph:
    """Looks at everything anew, then compares it with what the vault believes. Source: DI-4."""
    return Graph(
        tasks=(TaskSpec(READ, "Reading the server"), TaskSpec(CHECK, "Checking consistency")),
        steps=(
            *_look(snapshot, everything=True),
            StepSpec(
                key="check/compare",
                task=CHECK,
                kind=StepKind.RECORD,
                action="protection.check_consistency",
                inputs={
                    "fabric_id": snapshot.fabric_id,
                    "unread_hosts": Output("read/look", "unread_hosts"),
                    "pools": Output("read/look", "pools"),
                },
                after=("read/stored",),
            ),
        ),
    )


def _look(snapshot: LookSnapshot, *, everything: bool) -> Iterator[StepSpec]:
    yield StepSpec(
        key="read/look",
        task=READ,
        kind=StepKind.COMMAND,
        action="refresh_fabric",
        provider=snapshot.provider_id,
        inputs={
            "everything": everything,
            "static_address_pool_ids": list(snapshot.pool_ids) if everything else [],
        },
        time_limit_seconds=LOOK_SECONDS,
    )
    yield StepSpec(
        key="read/stored",
        task=READ,
        kind=StepKind.WAIT,
        action="protection.inventory_stored",
        inputs={
            "fabric_id": snapshot.fabric_id,
            "revision": Output("read/look", "inventory_revision"),
        },
        after=("read/look",),
        time_limit_seconds=STORE_SECONDS,
    )
