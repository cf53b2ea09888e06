"""The graphs of DissociateProtectionProfile and of removing a pairing from the vault only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec

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
    """A host that the pairing configured, perhaps in part.

    Attributes:
        kept_primary_servers: What other pairings let replicate to it.
        shared: Another pairing uses it.
        certificate_thumbprint: Of the product's certificate on it; empty when there is none.
    """

    provider_id: str
    fqdn: str
    kept_primary_servers: tuple[str, ...] = ()
    shared: bool = False
    certificate_thumbprint: str = ""


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
    for host in snapshot.hosts:
        yield StepSpec(
            key=f"read/{host.fqdn}",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_host_replication",
            provider=host.provider_id,
            inputs={"host": host.fqdn},
            time_limit_seconds=3600,
        )
    yield StepSpec(
        key="check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="protection.check_unpairing",
        after=tuple(f"read/{host.fqdn}" for host in snapshot.hosts),
    )
    for host in snapshot.hosts:
        yield _removal(snapshot, host, f"unpair/{host.fqdn}", UNPAIR, after=("check",))
    unpaired = tuple(f"unpair/{host.fqdn}" for host in snapshot.hosts) or ("check",)
    for host in own:
        key = f"clean-up/{host.fqdn}"
        yield _removal(snapshot, host, key, CLEAN_CLOUDS, after=unpaired)
    yield StepSpec(
        key="clean-up/record",
        task=CLEAN_SITE,
        kind=StepKind.RECORD,
        action="protection.unpaired",
        after=tuple(f"clean-up/{host.fqdn}" for host in own) or unpaired,
    )


def _removal(
    snapshot: UnpairingSnapshot, host: UnpairingHost, key: str, task: str, *, after: tuple[str, ...]
) -> StepSpec:
    inputs: dict[str, object] = {
        "host": host.fqdn,
        "trust_group": snapshot.trust_group,
        "kept_primary_servers": list(host.kept_primary_servers),
    }
    if task == CLEAN_CLOUDS:
        inputs["disable"] = True
        inputs["certificate_thumbprint"] = host.certificate_thumbprint
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action="remove_host_replication",
        provider=host.provider_id,
        inputs=inputs,
        after=after,
        time_limit_seconds=300,
    )
