"""The graph of AssociateProtectionProfile: every host of two clouds learns to replicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.policies.rules import WIRE_AUTHENTICATION, Authentication

SCENARIO = "AssociateProtectionProfile"
FRIENDLY_NAME = "Associate replication policy"

CHECK = "CloudPairingPrerequisitesCheck"
PREPARE_SERVER = "CloudPairingPrepareSite"
PREPARE_CLOUD = "CloudPairingPrepareCloud"
PAIR = "CloudPairingPairClouds"


@dataclass(frozen=True, kw_only=True)
class PairingHost:
    """A host of one of the clouds.

    Attributes:
        host_id: The coordinator's id of it.
        connection_point: The name others replicate to and from: the FQDN, or the replica broker's.
        certificate_thumbprint: Of a certificate the product gave it before and that goes on being
            used; empty when it needs one.
        certificate_not_after: ISO 8601; empty when it needs one.
    """

    host_id: int
    fqdn: str
    connection_point: str
    certificate_thumbprint: str = ""
    certificate_not_after: str = ""

    @property
    def dns_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.fqdn, self.connection_point)))


@dataclass(frozen=True)
class PairingSide:
    """One cloud's hosts and the provider that reaches them."""

    provider_id: str
    hosts: tuple[PairingHost, ...]


@dataclass(frozen=True, kw_only=True)
class PairingSnapshot:
    """What there is to pair.

    Attributes:
        trust_group: Label the authorizations of this pairing carry.
    """

    trust_group: str
    authentication_type: Authentication
    replication_port: int
    primary: PairingSide
    recovery: PairingSide


def plan_pairing(snapshot: PairingSnapshot) -> Graph:
    """Reads every host, gives it a certificate, and configures it to receive from the other cloud.

    Both clouds receive, because replication may be reversed. What other pairings authorised on a
    host stays: the provider only adds. Nothing is changed on any host before
    all of them were found fit. Source: SPEC PA-3, PO-3.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Check protection prerequisites"),
            TaskSpec(PREPARE_SERVER, "Prepare the server", _certificates_skipped(snapshot)),
            TaskSpec(PREPARE_CLOUD, "Prepare for configuring protection"),
            TaskSpec(PAIR, "Configure the protection settings"),
        ),
        steps=tuple(_steps(snapshot)),
    )


def _certificates_skipped(snapshot: PairingSnapshot) -> str:
    if snapshot.authentication_type is Authentication.KERBEROS:
        return "The policy authenticates with Kerberos: hosts need no certificates."
    if not any(_needs_certificate(snapshot, host) for _, host in _hosts(snapshot)):
        return "Every host has a certificate already."
    return ""


def _hosts(snapshot: PairingSnapshot) -> Iterator[tuple[PairingSide, PairingHost]]:
    for side in (snapshot.primary, snapshot.recovery):
        for host in side.hosts:
            yield side, host


def _needs_certificate(snapshot: PairingSnapshot, host: PairingHost) -> bool:
    return (
        snapshot.authentication_type is Authentication.CERTIFICATE
        and not host.certificate_thumbprint
    )


def _steps(snapshot: PairingSnapshot) -> Iterator[StepSpec]:
    yield from _check_steps(snapshot)
    for side, host in _hosts(snapshot):
        if _needs_certificate(snapshot, host):
            yield from _certificate_steps(side, host)
    for side, host in _hosts(snapshot):
        other = snapshot.recovery if side is snapshot.primary else snapshot.primary
        yield _configure_step(snapshot, side, host, other)
    yield StepSpec(
        key="pair/complete",
        task=PAIR,
        kind=StepKind.RECORD,
        action="protection.pairing_completed",
        inputs={"hosts": [_paired_host(snapshot, host) for _, host in _hosts(snapshot)]},
        after=tuple(f"configure/{host.fqdn}" for _, host in _hosts(snapshot)),
    )


def _check_steps(snapshot: PairingSnapshot) -> Iterator[StepSpec]:
    for side, host in _hosts(snapshot):
        yield StepSpec(
            key=f"read/{host.fqdn}",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_host_replication",
            provider=side.provider_id,
            inputs={"host": host.fqdn},
            time_limit_seconds=120,
        )
    yield StepSpec(
        key="check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="protection.check_hosts",
        inputs={
            "hosts": [
                {
                    "host": host.fqdn,
                    "default_storage_location": Output(
                        f"read/{host.fqdn}", "default_storage_location"
                    ),
                    "virtual_hard_disk_path": Output(f"read/{host.fqdn}", "virtual_hard_disk_path"),
                }
                for _, host in _hosts(snapshot)
            ]
        },
        after=tuple(f"read/{host.fqdn}" for _, host in _hosts(snapshot)),
    )


def _certificate_steps(side: PairingSide, host: PairingHost) -> Iterator[StepSpec]:
    request, issue, install = (f"{verb}/{host.fqdn}" for verb in ("request", "issue", "install"))
    yield StepSpec(
        key=request,
        task=PREPARE_SERVER,
        kind=StepKind.COMMAND,
        action="prepare_host_certificate",
        provider=side.provider_id,
        inputs={"host": host.fqdn, "dns_names": list(host.dns_names)},
        after=("check",),
        time_limit_seconds=120,
    )
    yield StepSpec(
        key=issue,
        task=PREPARE_SERVER,
        kind=StepKind.RECORD,
        action="protection.issue_certificate",
        inputs={
            "host": host.fqdn,
            "dns_names": list(host.dns_names),
            "certificate_request": Output(request, "certificate_request"),
        },
        after=(request,),
    )
    yield StepSpec(
        key=install,
        task=PREPARE_SERVER,
        kind=StepKind.COMMAND,
        action="install_host_certificate",
        provider=side.provider_id,
        inputs={
            "host": host.fqdn,
            "certificate": Output(issue, "certificate"),
            "issuer": Output(issue, "issuer"),
        },
        after=(issue,),
        time_limit_seconds=300,
    )


def _configure_step(
    snapshot: PairingSnapshot, side: PairingSide, host: PairingHost, other: PairingSide
) -> StepSpec:
    inputs: dict[str, object] = {
        "host": host.fqdn,
        "authentication_type": WIRE_AUTHENTICATION[snapshot.authentication_type],
        "port": snapshot.replication_port,
        "default_storage_location": Output("check", host.fqdn),
        "authorizations": [
            {
                "allowed_primary_server": primary,
                "replica_storage_location": Output("check", host.fqdn),
                "trust_group": snapshot.trust_group,
            }
            for primary in dict.fromkeys(peer.connection_point for peer in other.hosts)
        ],
    }
    if snapshot.authentication_type is Authentication.CERTIFICATE:
        inputs["certificate_thumbprint"] = _thumbprint(snapshot, host)
    installed = (f"install/{host.fqdn}",) if _needs_certificate(snapshot, host) else ()
    return StepSpec(
        key=f"configure/{host.fqdn}",
        task=PREPARE_CLOUD,
        kind=StepKind.COMMAND,
        action="configure_replication_server",
        provider=side.provider_id,
        inputs=inputs,
        after=("check", *installed),
        time_limit_seconds=300,
    )


def _thumbprint(snapshot: PairingSnapshot, host: PairingHost) -> object:
    if _needs_certificate(snapshot, host):
        return Output(f"install/{host.fqdn}", "thumbprint")
    return host.certificate_thumbprint


def _paired_host(snapshot: PairingSnapshot, host: PairingHost) -> dict[str, object]:
    not_after: object = host.certificate_not_after
    if _needs_certificate(snapshot, host):
        not_after = Output(f"issue/{host.fqdn}", "not_after")
    return {
        "host_id": host.host_id,
        "certificate_thumbprint": _thumbprint(snapshot, host),
        "certificate_not_after": not_after,
        "storage_location": Output("check", host.fqdn),
    }
