"""The graph of AssociateProtectionProfile: every host of two clouds learns to replicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.pairing.host_steps import (
    Listening,
    Receiver,
    certificate_steps,
    check_step,
    configure_step,
    paired_hosts,
    read_steps,
    updates_step,
)
from coordinator.protection.policies.rules import Authentication

SCENARIO = "AssociateProtectionProfile"
FRIENDLY_NAME = "Associate replication policy"

CHECK = "CloudPairingPrerequisitesCheck"
PREPARE_SERVER = "CloudPairingPrepareSite"
PREPARE_CLOUD = "CloudPairingPrepareCloud"
PAIR = "CloudPairingPairClouds"


@dataclass(frozen=True)
class PairingSnapshot:
    """What there is to pair: all receivers of both clouds."""

    listening: Listening
    receivers: tuple[Receiver, ...]


def plan_pairing(snapshot: PairingSnapshot) -> Graph:
    """Reads every host, gives it a certificate, and configures it to receive from the other cloud.

    Both clouds receive, because replication may be reversed. Nothing is changed on any host before
    all of them were found fit. Source: SPEC PA-3, PO-3.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Check protection prerequisites"),
            TaskSpec(
                PREPARE_SERVER,
                "Prepare the server",
                certificates_skipped(snapshot.listening, snapshot.receivers),
            ),
            TaskSpec(PREPARE_CLOUD, "Prepare for configuring protection"),
            TaskSpec(PAIR, "Configure the protection settings"),
        ),
        steps=tuple(_steps(snapshot)),
    )


def certificates_skipped(listening: Listening, receivers: tuple[Receiver, ...]) -> str:
    """Why no certificate is made; empty when one is."""
    if listening.authentication_type is Authentication.KERBEROS:
        return "The policy authenticates with Kerberos: hosts need no certificates."
    if not any(listening.needs_certificate(receiver) for receiver in receivers):
        return "Every host has a certificate already."
    return ""


def _steps(snapshot: PairingSnapshot) -> Iterator[StepSpec]:
    receivers, listening = snapshot.receivers, snapshot.listening
    yield from read_steps(CHECK, receivers)
    yield check_step(CHECK, receivers)
    updates = updates_step(CHECK, receivers)
    if updates is not None:
        yield updates
    for receiver in receivers:
        if listening.needs_certificate(receiver):
            yield from certificate_steps(PREPARE_SERVER, receiver)
    for receiver in receivers:
        yield configure_step(PREPARE_CLOUD, receiver, listening)
    yield StepSpec(
        key="pair/complete",
        task=PAIR,
        kind=StepKind.RECORD,
        action="protection.pairing_completed",
        inputs={
            "hosts": [host for receiver in receivers for host in paired_hosts(receiver, listening)]
        },
        after=tuple(f"configure/{receiver.name}" for receiver in receivers),
    )
