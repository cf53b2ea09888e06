"""The graphs of DissociateProtectionProfile and of removing a pairing from the vault only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.pairing.host_steps import Receiver, authorization_inputs

SCENARIO = "DissociateProtectionProfile"
FRIENDLY_NAME = "Dissociate replication policy"
# No recording shows ASR's name of it.
PURGE_SCENARIO = "PurgeProtectionProfile"
PURGE_FRIENDLY_NAME = "Remove from the vault only"

CHECK = "CloudUnpairingPrerequisitesCheck"
UNPAIR = "CloudUnpairingUnpairClouds"
CLEAN_CLOUDS = "CloudUnpairingCleanupClouds"
CLEAN_SITE = "CloudUnpairingCleanupSite"

ALL_SHARED = "Other pairings use every host."


@dataclass(frozen=True, kw_only=True)
class UnpairingHost:
    """A receiver that the pairing configured, perhaps in part.

    Attributes:
        receiver: With the entries that other pairings need on it.
        storage_location: Where those put replicas.
        trust_groups: Of those pairings: entries of ours may carry them.
        shared: Another pairing uses it.
        thumbprints: Of all certificates the product gave its nodes.
        closed_port: Whose firewall rule nobody needs any more; 0 for none.
    """

    receiver: Receiver
    storage_location: str = ""
    trust_groups: tuple[str, ...] = ()
    shared: bool = False
    thumbprints: tuple[str, ...] = ()
    closed_port: int = 0


@dataclass(frozen=True)
class UnpairingSnapshot:
    """What there is to dissociate."""

    trust_group: str
    hosts: tuple[UnpairingHost, ...]


def plan_unpairing(snapshot: UnpairingSnapshot) -> Graph:
    """Takes back on every host what pairing configured; what others use stays.

    Nothing is changed before every host was reached. All authorizations go first: from then on no
    host receives from the other cloud, wherever the job stops. Source: SPEC PA-4.
    """
    own = [host for host in snapshot.hosts if not host.shared]
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Check protection prerequisites"),
            TaskSpec(UNPAIR, "Remove the protection configuration"),
            TaskSpec(CLEAN_CLOUDS, "Clean up the clouds", "" if own else ALL_SHARED),
            TaskSpec(CLEAN_SITE, "Clean up the server"),
        ),
        steps=tuple(_steps(snapshot, own)),
    )


def plan_purge() -> Graph:
    """Tells what is left on the hosts; the vault has forgotten the pairing already."""
    return Graph(
        tasks=(TaskSpec(CLEAN_SITE, "Clean up the server"),),
        steps=(
            StepSpec(
                key="clean-up/record",
                task=CLEAN_SITE,
                kind=StepKind.RECORD,
                action="protection.removed_from_vault",
            ),
        ),
    )


def _steps(snapshot: UnpairingSnapshot, own: list[UnpairingHost]) -> Iterator[StepSpec]:
    receivers = [host.receiver for host in snapshot.hosts]
    for receiver in receivers:
        yield StepSpec(
            key=f"read/{receiver.name}",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_host_replication",
            provider=receiver.provider_id,
            inputs={"host": receiver.name},
            time_limit_seconds=3600,
        )
    yield StepSpec(
        key="check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="protection.check_unpairing",
        after=tuple(f"read/{receiver.name}" for receiver in receivers),
    )
    for host in snapshot.hosts:
        key = f"unpair/{host.receiver.name}"
        yield removal_step(snapshot.trust_group, host, key, UNPAIR, after=("check",))
    unpaired = tuple(f"unpair/{receiver.name}" for receiver in receivers) or ("check",)
    for host in own:
        key = f"clean-up/{host.receiver.name}"
        yield removal_step(snapshot.trust_group, host, key, CLEAN_CLOUDS, after=unpaired, last=True)
    yield StepSpec(
        key="clean-up/record",
        task=CLEAN_SITE,
        kind=StepKind.RECORD,
        action="protection.unpaired",
        inputs={"host_ids": [node.host_id for host in own for node in host.receiver.nodes]},
        after=tuple(f"clean-up/{host.receiver.name}" for host in own) or unpaired,
    )


def removal_step(  # noqa: PLR0913 - each says another thing about the step
    trust_group: str,
    host: UnpairingHost,
    key: str,
    task: str,
    *,
    after: tuple[str, ...],
    last: bool = False,
    on_failure: FailureRule = FailureRule.STOP,
) -> StepSpec:
    """Takes a pairing's entries from a receiver.

    Args:
        trust_group: The pairing's own.
        host: The receiver, and what stays on it.
        key: Of the step.
        task: Of the step.
        after: Of the step.
        last: Also ends receiving, if nobody else uses the receiver, and removes its certificates.
        on_failure: Of the step.
    """
    receiver = host.receiver
    inputs: dict[str, object] = {
        "host": receiver.name,
        "nodes": receiver.node_names,
        "trust_group": trust_group,
        "trust_groups": list(host.trust_groups),
        "kept_primary_servers": [entry.primary_server for entry in receiver.authorizations],
        "kept_authorizations": (
            authorization_inputs(receiver, host.storage_location) if host.storage_location else []
        ),
    }
    if last:
        inputs["disable"] = True
        inputs["certificate_thumbprint"] = host.thumbprints[-1] if host.thumbprints else ""
        inputs["superseded_thumbprints"] = list(host.thumbprints[:-1])
        inputs["closed_port"] = host.closed_port
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action="remove_host_replication",
        provider=receiver.provider_id,
        inputs=inputs,
        after=after,
        on_failure=on_failure,
        time_limit_seconds=300,
    )
