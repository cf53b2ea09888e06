"""The graph of EnableDr: a machine begins to replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.enabling.variants import Variant
from coordinator.protection.policies.rules import WIRE_AUTHENTICATION, Authentication
from coordinator.protection.replication.windows import DEFAULT_WINDOW
from coordinator.protection.storage.move_steps import move_steps

SCENARIO = "EnableDr"
FRIENDLY_NAME = "Enable replication"

CHECK = "EnableProtectionPrerequisitesCheck"
TARGET = "CreateProtectionTarget"
ENABLE = "EnableProtection"
START = "VmStartInitialReplication"
UPDATE = "UpdateDraState"

# What the wire's ReplicationPath says, in the terms of the rules.
PATH_FIELDS = (
    "host",
    "path",
    "exists",
    "file_server",
    "access",
    "delegated_services",
    "protocol_transition",
)

# Terabytes over a thin line, hundreds of machines before it.
LONGEST_LINE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class EnablingSnapshot:
    """The machine and the policy it will replicate by.

    Attributes:
        provider_id: The provider of the primary fabric.
        primary_host: FQDN of the host that has the machine.
        certificate_thumbprint: Of that host; empty with Kerberos.
        variant: How the recovery side comes to its first copy.
        recovery_provider_id: The provider of the recovery fabric.
        recovery_host: The host that must take the replica; empty when one is to be chosen.
        primary_server: The name the primary's host replicates under: its own, or its cluster's
            broker.
        export_path: Of an offline first copy; empty otherwise.
        import_path: The same.
        storage_provider_id: The provider of the recovery fabric when storage of the machine is
            mapped; empty otherwise.
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
    variant: Variant = Variant.OVER_NETWORK
    recovery_provider_id: str = ""
    recovery_host: str = ""
    primary_server: str = ""
    export_path: str = ""
    import_path: str = ""
    storage_provider_id: str = ""


def plan_enabling(snapshot: EnablingSnapshot) -> Graph:
    """Checks the machine, chooses its recovery host, enables replication, starts the first copy.

    How the first copy comes to the recovery side makes the variants; see `Variant`.

    Source: SPEC RE-1, RE-6, RE-7, OF-1; ASR's EnableDr.
    """
    return VARIANTS[snapshot.variant](snapshot)


def _over_network(snapshot: EnablingSnapshot) -> Graph:
    """The whole machine is sent from host to host."""
    return _graph(
        *_before(snapshot),
        _enable(snapshot),
        *_move(snapshot),
        *_start(snapshot),
        _record("protection.enabled"),
    )


def _offline(snapshot: EnablingSnapshot) -> Graph:
    """The first copy is exported; what follows until its import is no longer this job's."""
    export = {"vm": _machine(snapshot), "export_path": snapshot.export_path}
    return _graph(
        *_check_machine(snapshot),
        _choose(snapshot),
        *_check_paths(snapshot),
        _connect(snapshot),
        _enable(snapshot),
        *_move(snapshot),
        StepSpec(
            key="start/export",
            task=START,
            kind=StepKind.COMMAND,
            action="export_initial_replication",
            provider=snapshot.provider_id,
            inputs=export,
            time_limit_seconds=900,
        ),
        StepSpec(
            key="start/waiting",
            task=START,
            kind=StepKind.RECORD,
            action="protection.export_began",
            inputs={"export_path": snapshot.export_path, "import_path": snapshot.import_path},
        ),
        _record("protection.enabled"),
        start="Exporting the first copy",
    )


def _from_copy(snapshot: EnablingSnapshot) -> Graph:
    """A machine of the same id is on the recovery host already: only what differs is sent."""
    as_replica = StepSpec(
        key="enable/as-replica",
        task=ENABLE,
        kind=StepKind.COMMAND,
        action="enable_as_replica",
        provider=snapshot.recovery_provider_id,
        inputs={
            "vm": {"vm_id": snapshot.vm_id, "host": snapshot.recovery_host},
            "allowed_primary_server": snapshot.primary_server,
        },
        time_limit_seconds=300,
    )
    *before_start, start = _start(snapshot)
    return _graph(
        *_before(snapshot),
        as_replica,
        _enable(snapshot),
        *before_start,
        replace(start, inputs={**start.inputs, "use_backup": True}),
        _record("protection.enabled"),
        start="Comparing with the existing copy",
    )


def _take_over(snapshot: EnablingSnapshot) -> Graph:
    """The machine replicates there already: the policy's settings are applied, nothing is copied.

    The replica is told first by which name its primary sends: pairing may have replaced the
    authorization it was made under, and then the primary has stopped in error.
    """
    replica = {"vm_id": snapshot.vm_id, "host": snapshot.recovery_host}
    return _graph(
        *_check_existing(snapshot, replica),
        _choose(snapshot),
        StepSpec(
            key="enable/authorize",
            task=ENABLE,
            kind=StepKind.COMMAND,
            action="set_allowed_primary_server",
            provider=snapshot.recovery_provider_id,
            inputs={"vm": replica, "allowed_primary_server": snapshot.primary_server},
            time_limit_seconds=300,
        ),
        StepSpec(
            key="enable/settings",
            task=ENABLE,
            kind=StepKind.COMMAND,
            action="change_replication",
            provider=snapshot.provider_id,
            inputs={"vm": _machine(snapshot), **_settings(snapshot), **_authentication(snapshot)},
            time_limit_seconds=300,
        ),
        StepSpec(
            key="enable/resume",
            task=ENABLE,
            kind=StepKind.COMMAND,
            action="resume_replication",
            provider=snapshot.provider_id,
            inputs={"vm": _machine(snapshot)},
            # Whoever paused it, or what it still needs, is shown by the item's health.
            on_failure=FailureRule.WARN,
            time_limit_seconds=300,
        ),
        _record("protection.enabled"),
        enable="Taking over the existing replication",
        no_start="The existing replication is taken over: no first copy is needed.",
    )


VARIANTS: Mapping[Variant, Callable[[EnablingSnapshot], Graph]] = {
    Variant.OVER_NETWORK: _over_network,
    Variant.OFFLINE: _offline,
    Variant.EXISTING_COPY: _from_copy,
    Variant.EXISTING_REPLICATION: _take_over,
}


def _graph(
    *steps: StepSpec,
    enable: str = "Enable replication",
    start: str = "Starting initial replication",
    no_start: str = "",
) -> Graph:
    """ASR's tasks, with steps that come one after the other."""
    keys = [step.key for step in steps]
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for enabling protection"),
            TaskSpec(TARGET, "Identifying the replication target"),
            TaskSpec(ENABLE, enable),
            TaskSpec(START, start, no_start),
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=tuple(
            replace(step, after=(before,) if before else ())
            for step, before in zip(steps, ["", *keys], strict=False)
        ),
    )


def _record(action: str) -> StepSpec:
    return StepSpec(key="update/record", task=UPDATE, kind=StepKind.RECORD, action=action)


def _machine(snapshot: EnablingSnapshot) -> dict[str, object]:
    return {"vm_id": snapshot.vm_id, "host": snapshot.primary_host}


def _connection(snapshot: EnablingSnapshot) -> dict[str, object]:
    """How the primary's host reaches the one that was chosen."""
    return {
        "replica_server": Output("target/choose", "replica_server"),
        **_authentication(snapshot),
    }


def _authentication(snapshot: EnablingSnapshot) -> dict[str, object]:
    inputs: dict[str, object] = {
        "port": snapshot.replication_port,
        "authentication_type": WIRE_AUTHENTICATION[snapshot.authentication_type],
    }
    if snapshot.authentication_type is Authentication.CERTIFICATE:
        inputs["certificate_thumbprint"] = snapshot.certificate_thumbprint
    return inputs


def _settings(snapshot: EnablingSnapshot) -> dict[str, object]:
    """What the policy says of a replication, by the wire's names."""
    return {
        "compression": snapshot.compression,
        "frequency_seconds": snapshot.replication_frequency_seconds,
        "recovery_points": snapshot.recovery_points,
        "application_consistent_hours": snapshot.application_consistent_hours,
        # Not of the policy: every machine begins with it, and each can be set otherwise.
        "auto_resynchronize": True,
        "auto_resynchronize_start": f"{DEFAULT_WINDOW.start_seconds}s",
        "auto_resynchronize_end": f"{DEFAULT_WINDOW.end_seconds}s",
    }


def _before(snapshot: EnablingSnapshot) -> Iterator[StepSpec]:
    yield from _check_machine(snapshot)
    yield _choose(snapshot)
    yield _connect(snapshot)


def _check_machine(snapshot: EnablingSnapshot) -> Iterator[StepSpec]:
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
    )


def _check_existing(
    snapshot: EnablingSnapshot, replica: Mapping[str, object]
) -> Iterator[StepSpec]:
    """Both sides of the relationship that is there, as their hosts say now."""
    for key, provider, machine in (
        ("prerequisites/read", snapshot.provider_id, _machine(snapshot)),
        ("prerequisites/read-replica", snapshot.recovery_provider_id, replica),
    ):
        yield StepSpec(
            key=key,
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_replication",
            provider=provider,
            inputs={"vm": machine},
            time_limit_seconds=120,
        )
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="protection.check_existing_replication",
        inputs={
            "mode": Output("prerequisites/read", "mode"),
            "state": Output("prerequisites/read", "state"),
            "replica_mode": Output("prerequisites/read-replica", "mode"),
            "replica_state": Output("prerequisites/read-replica", "state"),
            "recovery_host": snapshot.recovery_host,
        },
    )


def _choose(snapshot: EnablingSnapshot) -> StepSpec:
    return StepSpec(
        key="target/choose",
        task=TARGET,
        kind=StepKind.RECORD,
        action="protection.choose_target",
        inputs={"host": snapshot.recovery_host} if snapshot.recovery_host else {},
    )


def _check_paths(snapshot: EnablingSnapshot) -> Iterator[StepSpec]:
    """What both hosts need of the paths, and what can be granted to them."""
    places = (
        ("export", snapshot.provider_id, snapshot.primary_host, snapshot.export_path),
        (
            "import",
            snapshot.recovery_provider_id,
            Output("target/choose", "host"),
            snapshot.import_path,
        ),
    )
    for name, provider, host, path in places:
        yield StepSpec(
            key=f"target/{name}-path",
            task=TARGET,
            kind=StepKind.COMMAND,
            action="check_replication_path",
            provider=provider,
            inputs={"host": host, "path": path},
            time_limit_seconds=300,
        )
    yield StepSpec(
        key="target/paths",
        task=TARGET,
        kind=StepKind.RECORD,
        action="protection.check_offline_paths",
        inputs={
            name: {field: Output(f"target/{name}-path", field) for field in PATH_FIELDS}
            for name in ("export", "import")
        },
    )
    for name, provider, host, path in places:
        yield StepSpec(
            key=f"target/{name}-right",
            task=TARGET,
            kind=StepKind.COMMAND,
            action="grant_replication_path",
            provider=provider,
            inputs={"host": host, "path": path},
            time_limit_seconds=300,
        )


def _connect(snapshot: EnablingSnapshot) -> StepSpec:
    return StepSpec(
        key="target/connection",
        task=TARGET,
        kind=StepKind.COMMAND,
        action="test_replication_connection",
        provider=snapshot.provider_id,
        inputs={"host": snapshot.primary_host, **_connection(snapshot)},
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
            **_settings(snapshot),
        },
        time_limit_seconds=900,
    )


def _move(snapshot: EnablingSnapshot) -> Iterator[StepSpec]:
    return move_steps(ENABLE, snapshot.storage_provider_id, snapshot.vm_id)


def _start(snapshot: EnablingSnapshot) -> Iterator[StepSpec]:
    """The copy begins when its time has come and its hosts have room for it."""
    yield StepSpec(
        key="start/line",
        task=START,
        kind=StepKind.RECORD,
        action="protection.line_joined",
    )
    yield StepSpec(
        key="start/turn",
        task=START,
        kind=StepKind.WAIT,
        action="protection.turn_given",
        time_limit_seconds=LONGEST_LINE_SECONDS,
    )
    yield StepSpec(
        key="start/place",
        task=START,
        kind=StepKind.RECORD,
        action="protection.copy_placed",
    )
    yield StepSpec(
        key="start/initial-replication",
        task=START,
        kind=StepKind.COMMAND,
        action="start_initial_replication",
        provider=snapshot.provider_id,
        inputs={"vm": {"vm_id": snapshot.vm_id, "host": Output("start/place", "host")}},
        time_limit_seconds=900,
    )
