"""The graph of EnableDr: a machine begins to replicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.policies.rules import WIRE_AUTHENTICATION, Authentication

SCENARIO = "EnableDr"
FRIENDLY_NAME = "Enable replication"

CHECK = "EnableProtectionPrerequisitesCheck"
TARGET = "CreateProtectionTarget"
ENABLE = "EnableProtection"
START = "VmStartInitialReplication"
UPDATE = "UpdateDraState"


@dataclass(frozen=True, kw_only=True)
class EnablingSnapshot:
    """The machine and the policy it will replicate by.

    Attributes:
        provider_id: The provider of the primary fabric.
        primary_host: FQDN of the host that has the machine.
        certificate_thumbprint: Of that host; empty with Kerberos.
        start_time: When the first copy begins, ISO 8601; empty for now.
    """

    provider_id: str
    vm_id: str
    primary_host: str
    certificate_thumbprint: str
    authentication_type: Authentication
    replication_port: int
    compression: bool
    replication_frequency_seconds: int
    recovery_points: int
    application_consistent_hours: int
    start_time: str = ""


def plan_enabling(snapshot: EnablingSnapshot) -> Graph:
    """Checks the machine, chooses its recovery host, enables replication, starts the first copy.

    Source: SPEC RE-1; ASR's EnableDr.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for enabling protection"),
            TaskSpec(TARGET, "Identifying the replication target"),
            TaskSpec(ENABLE, "Enable replication"),
            TaskSpec(START, "Starting initial replication"),
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=(
            *_before(snapshot),
            _enable(snapshot),
            _start(snapshot),
            StepSpec(
                key="update/record",
                task=UPDATE,
                kind=StepKind.RECORD,
                action="protection.enabled",
                after=("start/initial-replication",),
            ),
        ),
    )


def _machine(snapshot: EnablingSnapshot) -> dict[str, object]:
    return {"vm_id": snapshot.vm_id, "host": snapshot.primary_host}


def _connection(snapshot: EnablingSnapshot) -> dict[str, object]:
    """How the primary's host reaches the one that was chosen."""
    inputs: dict[str, object] = {
        "replica_server": Output("target/choose", "replica_server"),
        "port": snapshot.replication_port,
        "authentication_type": WIRE_AUTHENTICATION[snapshot.authentication_type],
    }
    if snapshot.authentication_type is Authentication.CERTIFICATE:
        inputs["certificate_thumbprint"] = snapshot.certificate_thumbprint
    return inputs


def _before(snapshot: EnablingSnapshot) -> Iterator[StepSpec]:
    yield StepSpec(
        key="prerequisites/read",
        task=CHECK,
        kind=StepKind.COMMAND,
        action="read_virtual_machine",
        provider=snapshot.provider_id,
        inputs={"vm": _machine(snapshot)},
        time_limit_seconds=120,
    )
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="protection.check_machine",
        inputs={
            "state": Output("prerequisites/read", "state"),
            "replication_mode": Output("prerequisites/read", "replication_mode"),
        },
        after=("prerequisites/read",),
    )
    yield StepSpec(
        key="target/choose",
        task=TARGET,
        kind=StepKind.RECORD,
        action="protection.choose_target",
        after=("prerequisites/check",),
    )
    yield StepSpec(
        key="target/connection",
        task=TARGET,
        kind=StepKind.COMMAND,
        action="test_replication_connection",
        provider=snapshot.provider_id,
        inputs={"host": snapshot.primary_host, **_connection(snapshot)},
        after=("target/choose",),
        time_limit_seconds=180,
    )


def _enable(snapshot: EnablingSnapshot) -> StepSpec:
    return StepSpec(
        key="enable/replication",
        task=ENABLE,
        kind=StepKind.COMMAND,
        action="enable_replication",
        provider=snapshot.provider_id,
        inputs={
            "vm": _machine(snapshot),
            **_connection(snapshot),
            "compression": snapshot.compression,
            "frequency_seconds": snapshot.replication_frequency_seconds,
            "recovery_points": snapshot.recovery_points,
            "application_consistent_hours": snapshot.application_consistent_hours,
        },
        after=("target/connection",),
        time_limit_seconds=900,
    )


def _start(snapshot: EnablingSnapshot) -> StepSpec:
    inputs: dict[str, object] = {"vm": _machine(snapshot)}
    if snapshot.start_time:
        inputs["start_time"] = snapshot.start_time
    return StepSpec(
        key="start/initial-replication",
        task=START,
        kind=StepKind.COMMAND,
        action="start_initial_replication",
        provider=snapshot.provider_id,
        inputs=inputs,
        after=("enable/replication",),
        time_limit_seconds=900,
    )
