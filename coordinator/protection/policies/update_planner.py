"""The graph that applies an edited policy to the hosts and items that follow it: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.pairing.host_steps import (
    Listening,
    Receiver,
    certificate_steps,
    check_step,
    configure_step,
    paired_hosts,
    read_steps,
    thumbprint_of,
)
from coordinator.protection.pairing.planner import (
    CHECK,
    PREPARE_CLOUD,
    PREPARE_SERVER,
    certificates_skipped,
)
from coordinator.protection.policies.rules import (
    WIRE_AUTHENTICATION,
    Authentication,
    InstanceType,
)

# No recording shows ASR's name of it.
SCENARIO = "UpdateProtectionProfile"
FRIENDLY_NAME = "Update replication policy"
APPLY = "ApplyPolicyToProtectedItems"

NOT_CONFIGURED = "Authentication and port stay as they are."


@dataclass(frozen=True, kw_only=True)
class PolicyItem:
    """An item that follows the policy.

    Attributes:
        vm_id: Hyper-V's.
        host: FQDN of the host it sends from.
        provider_id: Who reaches that host.
        certificate_thumbprint: Of that host as it is configured; empty with Kerberos.
    """

    item_id: str
    vm_id: str
    host: str
    provider_id: str
    certificate_thumbprint: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """What a running replication takes over."""

    instance_type: InstanceType
    frequency_seconds: int
    recovery_points: int
    application_consistent_hours: int
    compression: bool


@dataclass(frozen=True, kw_only=True)
class PolicyUpdate:
    """What there is to apply.

    Attributes:
        receivers: To be configured anew, each once; empty when listening does not change.
        pairings: By id, the names of its receivers among these.
    """

    listening: Listening
    settings: PolicySettings
    items: tuple[PolicyItem, ...]
    receivers: tuple[Receiver, ...] = ()
    pairings: dict[str, tuple[str, ...]] = field(default_factory=dict)


def plan_update(update: PolicyUpdate) -> Graph:
    """Configures hosts where authentication or port differ, then changes every item's replication.

    The hosts of both clouds listen as the policy says before any machine is told to send so. An
    item that cannot be changed now stops no other. Source: SPEC PO-4.
    """
    skipped = "" if update.receivers else NOT_CONFIGURED
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Check protection prerequisites", skipped),
            TaskSpec(
                PREPARE_SERVER,
                "Prepare the server",
                skipped or certificates_skipped(update.listening, update.receivers),
            ),
            TaskSpec(PREPARE_CLOUD, "Prepare for configuring protection", skipped),
            TaskSpec(
                APPLY,
                "Apply the policy to protected items",
                "" if update.items else "No protected item follows the policy.",
            ),
        ),
        steps=tuple(_steps(update)),
    )


def _steps(update: PolicyUpdate) -> Iterator[StepSpec]:
    if update.receivers:
        yield from _host_steps(update)
    configured = tuple(f"configure/{receiver.name}" for receiver in update.receivers)
    by_node = {node.fqdn: receiver for receiver in update.receivers for node in receiver.nodes}
    for item in update.items:
        yield StepSpec(
            key=f"change/{item.item_id}",
            task=APPLY,
            kind=StepKind.COMMAND,
            action="change_replication",
            provider=item.provider_id,
            inputs={
                "vm": {"vm_id": item.vm_id, "host": item.host},
                **_settings(update.settings),
                **_connection(update, item, by_node.get(item.host)),
            },
            after=configured,
            on_failure=FailureRule.WARN,
            time_limit_seconds=300,
        )


def _host_steps(update: PolicyUpdate) -> Iterator[StepSpec]:
    listening = update.listening
    yield from read_steps(CHECK, update.receivers)
    yield check_step(CHECK, update.receivers)
    for receiver in update.receivers:
        if listening.needs_certificate(receiver):
            yield from certificate_steps(PREPARE_SERVER, receiver)
    for receiver in update.receivers:
        yield configure_step(PREPARE_CLOUD, receiver, listening)
    by_name = {receiver.name: receiver for receiver in update.receivers}
    for pairing_id, names in update.pairings.items():
        yield StepSpec(
            key=f"record/{pairing_id}",
            task=PREPARE_CLOUD,
            kind=StepKind.RECORD,
            action="protection.policy_hosts_configured",
            inputs={
                "pairing_id": pairing_id,
                "hosts": [
                    host for name in names for host in paired_hosts(by_name[name], listening)
                ],
            },
            after=tuple(f"configure/{name}" for name in names),
        )


def _settings(settings: PolicySettings) -> dict[str, object]:
    inputs: dict[str, object] = {
        "compression": settings.compression,
        "recovery_points": settings.recovery_points,
        "application_consistent_hours": settings.application_consistent_hours,
    }
    if settings.instance_type is not InstanceType.WINDOWS_2012:
        # Windows Server 2012 knows one frequency and no parameter for it.
        inputs["frequency_seconds"] = settings.frequency_seconds
    return inputs


def _connection(
    update: PolicyUpdate, item: PolicyItem, receiver: Receiver | None
) -> dict[str, object]:
    """How the machine is to send.

    Also when its host is not configured by this job: an earlier one did so, while the machine was
    busy.
    """
    inputs: dict[str, object] = {
        "port": update.listening.replication_port,
        "authentication_type": WIRE_AUTHENTICATION[update.listening.authentication_type],
    }
    if update.listening.authentication_type is Authentication.CERTIFICATE:
        inputs["certificate_thumbprint"] = (
            item.certificate_thumbprint
            if receiver is None
            else thumbprint_of(receiver, update.listening)
        )
    return inputs
