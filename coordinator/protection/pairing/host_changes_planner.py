"""The graph that follows hosts added to paired clouds, and hosts that left them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec, TaskSpec
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
from coordinator.protection.pairing.planner import (
    CHECK,
    PAIR,
    PREPARE_CLOUD,
    PREPARE_SERVER,
    certificates_skipped,
)
from coordinator.protection.pairing.unpairing_planner import UnpairingHost, removal_step

# No recording shows ASR's name of it.
SCENARIO = "UpdateCloudPairing"
FRIENDLY_NAME = "Configure hosts that changed"
REMOVE = "CloudPairingRemoveHosts"


@dataclass(frozen=True, kw_only=True)
class HostChanges:
    """What there is to do.

    Attributes:
        trust_group: The pairing's own.
        joined: To be configured, with all entries they should have.
        peers: Of the other cloud, configured already, with all entries they should have now.
        peers_forget: The same as what is left on them, where a host that left had an entry.
        left: What stays on those that left.
        left_rows: Their rows, by id.
        cleaned_host_ids: Hosts that keep no certificate of ours.
    """

    trust_group: str
    listening: Listening
    joined: tuple[Receiver, ...]
    peers: tuple[Receiver, ...]
    peers_forget: tuple[UnpairingHost, ...] = ()
    left: tuple[UnpairingHost, ...] = ()
    left_rows: tuple[int, ...] = ()
    cleaned_host_ids: tuple[int, ...] = ()


def plan_host_changes(changes: HostChanges) -> Graph:
    """Configures what joined, lets the other cloud know, and takes from it what left.

    A host that left may be down for ever: its own clean-up is tried once and stops nothing. What
    the other cloud let it do is taken away for certain.

    Source: SPEC PA-3.
    """
    reason = "No host was added." if not changes.joined else ""
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Check protection prerequisites"),
            TaskSpec(
                PREPARE_SERVER,
                "Prepare the server",
                reason or certificates_skipped(changes.listening, changes.joined),
            ),
            TaskSpec(PREPARE_CLOUD, "Prepare for configuring protection"),
            TaskSpec(
                REMOVE,
                "Remove hosts that left",
                "" if changes.left or changes.peers_forget else "No host left.",
            ),
            TaskSpec(PAIR, "Configure the protection settings"),
        ),
        steps=tuple(_steps(changes)),
    )


def _steps(changes: HostChanges) -> Iterator[StepSpec]:
    configured = (*changes.joined, *changes.peers)
    yield from read_steps(CHECK, configured)
    yield check_step(CHECK, configured)
    updates = updates_step(CHECK, changes.joined)
    if updates is not None:
        yield updates
    for receiver in changes.joined:
        if changes.listening.needs_certificate(receiver):
            yield from certificate_steps(PREPARE_SERVER, receiver)
    for receiver in configured:
        yield configure_step(PREPARE_CLOUD, receiver, changes.listening)
    done = ["check", *(f"configure/{receiver.name}" for receiver in configured)]
    for host in changes.peers_forget:
        before = f"configure/{host.receiver.name}"
        key = f"forget/{host.receiver.name}"
        yield removal_step(changes.trust_group, host, key, REMOVE, after=(before,))
        done.append(key)
    for host in changes.left:
        key = f"remove/{host.receiver.name}"
        yield removal_step(
            changes.trust_group,
            host,
            key,
            REMOVE,
            after=("check",),
            last=not host.shared,
            on_failure=FailureRule.WARN,
        )
        done.append(key)
    yield StepSpec(
        key="complete",
        task=PAIR,
        kind=StepKind.RECORD,
        action="protection.hosts_followed",
        inputs={
            "hosts": [
                host
                for receiver in configured
                for host in paired_hosts(receiver, changes.listening)
            ],
            "left_rows": list(changes.left_rows),
            "cleaned_host_ids": list(changes.cleaned_host_ids),
        },
        after=tuple(done),
    )
