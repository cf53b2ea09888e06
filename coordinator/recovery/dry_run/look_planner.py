"""The graph of looking at the servers before a failover: pure (SPEC RP-6).

Nothing of it changes anything on a server, and it holds no lock: who has to fail over meanwhile is
not held up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.states import ActiveLocation

# ASR had no such job.
SCENARIO = "LookBeforeFailover"
FRIENDLY_NAME = "Look at the servers before a failover"
LOOK_SECONDS = 600
STORE_SECONDS = 120
SCRIPTS_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class ServerLook:
    """What is looked at on one server.

    Attributes:
        sides: Whose server it is; both where one server has both clouds.
        provider_id: Empty when it cannot be looked at.
        why_not: Why; empty when it can.
        pool_ids: VMM's ids of the static pools whose addresses are to be told.
        script_paths: Of the plan's scripts that this server runs.
    """

    sides: tuple[ActiveLocation, ...]
    name: str
    fabric_id: str
    provider_id: str
    why_not: str = ""
    pool_ids: tuple[str, ...] = ()
    script_paths: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        return f"LookAt{self.sides[0]}ServerTask"


def fabric_step(side: ActiveLocation) -> str:
    """Key of the step that tells of a side's pools."""
    return f"{str(side).lower()}/fabric"


def scripts_step(side: ActiveLocation) -> str:
    """Key of the step that tells of a side's scripts."""
    return f"{str(side).lower()}/scripts"


def plan_look(servers: Sequence[ServerLook]) -> Graph:
    """Looks at everything of the servers, and at the scripts in their library shares.

    Args:
        servers: The primary one first; one that cannot be looked at is shown, and left out.
    """
    return Graph(
        tasks=tuple(
            TaskSpec(server.task, f"Looking at {server.name}", server.why_not) for server in servers
        ),
        steps=tuple(step for server in servers if not server.why_not for step in _look(server)),
    )


def _look(server: ServerLook) -> Iterator[StepSpec]:
    side = server.sides[0]
    stored = f"{str(side).lower()}/stored"
    yield StepSpec(
        key=fabric_step(side),
        task=server.task,
        kind=StepKind.COMMAND,
        action="refresh_fabric",
        provider=server.provider_id,
        inputs={"everything": False, "static_address_pool_ids": list(server.pool_ids)},
        time_limit_seconds=LOOK_SECONDS,
    )
    yield StepSpec(
        key=stored,
        task=server.task,
        kind=StepKind.WAIT,
        action="protection.inventory_stored",
        inputs={
            "fabric_id": server.fabric_id,
            "revision": Output(fabric_step(side), "inventory_revision"),
        },
        after=(fabric_step(side),),
        time_limit_seconds=STORE_SECONDS,
    )
    if server.script_paths:
        yield StepSpec(
            key=scripts_step(side),
            task=server.task,
            kind=StepKind.COMMAND,
            action="check_plan_scripts",
            provider=server.provider_id,
            inputs={"paths": list(server.script_paths)},
            time_limit_seconds=SCRIPTS_SECONDS,
        )
