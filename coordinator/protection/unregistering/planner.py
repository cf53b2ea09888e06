"""The graph of UnregisterFabric: pure."""

from __future__ import annotations

from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec

# ASR's names.
SCENARIO = "UnregisterFabric"
FRIENDLY_NAME = "Delete server"
CHECK = "UnregisterFabricPreflightCheckTask"
CLEAN = "CleanupFabricTask"
UNREGISTER = "UnregisterFabricTask"

NOTHING_LEFT = "Dissociating its clouds took back what had been set up on its hosts."


def plan_unregistering() -> Graph:
    """The server has gone already, so that its certificate ends with the request. Source: EN-8."""
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites"),
            TaskSpec(CLEAN, "Cleaning up the provider settings", NOTHING_LEFT),
            TaskSpec(UNREGISTER, "Deleting the server"),
        ),
        steps=(
            StepSpec(
                key="check",
                task=CHECK,
                kind=StepKind.RECORD,
                action="protection.server_unregistered",
            ),
            StepSpec(
                key="unregister",
                task=UNREGISTER,
                kind=StepKind.RECORD,
                action="protection.server_unregistered",
                after=("check",),
            ),
        ),
    )
