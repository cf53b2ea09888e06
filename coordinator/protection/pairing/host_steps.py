"""Steps that graphs of pairing are put together from: reading, certifying, configuring hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Output, StepKind, StepSpec
from coordinator.protection.pairing.authorizations import Authorization
from coordinator.protection.policies.rules import WIRE_AUTHENTICATION, Authentication


@dataclass(frozen=True)
class Node:
    """A Hyper-V host.

    Attributes:
        host_id: The coordinator's id of it.
    """

    host_id: int
    fqdn: str


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """What receives replication under one name: a host, or a cluster by its replica broker.

    A cluster has one set of replication settings for all nodes, so its nodes also have one
    certificate together: a machine moves between them while its replication names it.

    Attributes:
        provider_id: Who reaches it.
        location: "Primary" or "Recovery": on which side of the pairing it is.
        name: FQDN of the host, or of the broker.
        authorizations: All entries it should have, those of other pairings too.
        certificate_thumbprint: Of a certificate it goes on using; empty when it needs one.
        certificate_not_after: ISO 8601; empty when it needs one.
        wanted_updates: Updates that its nodes should have.
        shared_storage: Where a cluster may keep replicas when it says nothing else.
    """

    provider_id: str
    location: str
    name: str
    nodes: tuple[Node, ...]
    authorizations: tuple[Authorization, ...] = ()
    certificate_thumbprint: str = ""
    certificate_not_after: str = ""
    wanted_updates: tuple[str, ...] = ()
    shared_storage: str = ""

    @property
    def is_cluster(self) -> bool:
        return [node.fqdn for node in self.nodes] != [self.name]

    @property
    def node_names(self) -> list[str]:
        """For the wire: empty where the host is meant itself."""
        return [node.fqdn for node in self.nodes] if self.is_cluster else []

    @property
    def dns_names(self) -> list[str]:
        """What its certificate must say: the name others use, and each node's own."""
        return list(dict.fromkeys((self.name, *(node.fqdn for node in self.nodes))))


@dataclass(frozen=True)
class Listening:
    """How the hosts of a policy receive."""

    authentication_type: Authentication
    replication_port: int

    def needs_certificate(self, receiver: Receiver) -> bool:
        return (
            self.authentication_type is Authentication.CERTIFICATE
            and not receiver.certificate_thumbprint
        )


def read_steps(task: str, receivers: Iterable[Receiver]) -> Iterator[StepSpec]:
    """Reads each; its answer also says where it keeps replicas."""
    for receiver in receivers:
        yield StepSpec(
            key=f"read/{receiver.name}",
            task=task,
            kind=StepKind.COMMAND,
            action="read_host_replication",
            provider=receiver.provider_id,
            inputs={
                "host": receiver.name,
                "nodes": receiver.node_names,
                "wanted_updates": list(receiver.wanted_updates),
            },
            time_limit_seconds=120,
        )


def check_step(task: str, receivers: Iterable[Receiver]) -> StepSpec:
    """Finds a place for replicas on each; gives it by the receiver's name."""
    known = list(receivers)
    return StepSpec(
        key="check",
        task=task,
        kind=StepKind.RECORD,
        action="protection.check_hosts",
        inputs={
            "hosts": [
                {
                    "host": receiver.name,
                    "default_storage_location": Output(
                        f"read/{receiver.name}", "default_storage_location"
                    ),
                    # A cluster's replicas must not be on a node's own disk.
                    "virtual_hard_disk_path": receiver.shared_storage
                    if receiver.is_cluster
                    else Output(f"read/{receiver.name}", "virtual_hard_disk_path"),
                }
                for receiver in known
            ]
        },
        after=tuple(f"read/{receiver.name}" for receiver in known),
    )


def updates_step(task: str, receivers: Iterable[Receiver]) -> StepSpec | None:
    """Tells of missing updates without stopping anything; None when none is wanted."""
    known = [receiver for receiver in receivers if receiver.wanted_updates]
    if not known:
        return None
    return StepSpec(
        key="updates",
        task=task,
        kind=StepKind.RECORD,
        action="protection.check_updates",
        inputs={
            "missing": [Output(f"read/{receiver.name}", "missing_updates") for receiver in known]
        },
        after=tuple(f"read/{receiver.name}" for receiver in known),
        on_failure=FailureRule.WARN,
    )


def certificate_steps(task: str, receiver: Receiver) -> Iterator[StepSpec]:
    """A key, a certificate for it, and both on every node, one node after the other."""
    request, issue = f"request/{receiver.name}", f"issue/{receiver.name}"
    yield StepSpec(
        key=request,
        task=task,
        kind=StepKind.COMMAND,
        action="prepare_host_certificate",
        provider=receiver.provider_id,
        inputs={"host": receiver.name, "dns_names": receiver.dns_names},
        after=("check",),
        time_limit_seconds=120,
    )
    yield StepSpec(
        key=issue,
        task=task,
        kind=StepKind.RECORD,
        action="protection.issue_certificate",
        inputs={
            "host_ids": [node.host_id for node in receiver.nodes],
            "dns_names": receiver.dns_names,
            "certificate_request": Output(request, "certificate_request"),
        },
        after=(request,),
    )
    before = issue
    for number, node in enumerate(receiver.nodes, 1):
        yield StepSpec(
            key=f"install/{node.fqdn}",
            task=task,
            kind=StepKind.COMMAND,
            action="install_host_certificate",
            provider=receiver.provider_id,
            inputs={
                "host": node.fqdn,
                "certificate": Output(issue, "certificate"),
                "issuer": Output(issue, "issuer"),
                "trusted_issuers": Output(issue, "trusted_issuers"),
                "key_of": receiver.name,
                "keep_key": number < len(receiver.nodes),
            },
            after=(before,),
            time_limit_seconds=300,
        )
        before = f"install/{node.fqdn}"


def configure_step(task: str, receiver: Receiver, listening: Listening) -> StepSpec:
    """Makes it receive, with all entries it should have; the provider only adds."""
    inputs: dict[str, object] = {
        "host": receiver.name,
        "nodes": receiver.node_names,
        "authentication_type": WIRE_AUTHENTICATION[listening.authentication_type],
        "port": listening.replication_port,
        "default_storage_location": Output("check", receiver.name),
        "authorizations": authorization_inputs(receiver, Output("check", receiver.name)),
    }
    if listening.authentication_type is Authentication.CERTIFICATE:
        inputs["certificate_thumbprint"] = thumbprint_of(receiver, listening)
    installed = (
        (f"install/{receiver.nodes[-1].fqdn}",) if listening.needs_certificate(receiver) else ()
    )
    return StepSpec(
        key=f"configure/{receiver.name}",
        task=task,
        kind=StepKind.COMMAND,
        action="configure_replication_server",
        provider=receiver.provider_id,
        inputs=inputs,
        after=("check", *installed),
        time_limit_seconds=300,
    )


def authorization_inputs(receiver: Receiver, location: object) -> list[dict[str, object]]:
    """Its entries as the wire has them."""
    return [
        {
            "allowed_primary_server": entry.primary_server,
            "replica_storage_location": location,
            "trust_group": entry.trust_group,
        }
        for entry in receiver.authorizations
    ]


def thumbprint_of(receiver: Receiver, listening: Listening) -> object:
    """Of the certificate it will use: the new one, the known one, or none with Kerberos."""
    if listening.authentication_type is not Authentication.CERTIFICATE:
        return ""
    if listening.needs_certificate(receiver):
        return Output(f"install/{receiver.nodes[-1].fqdn}", "thumbprint")
    return receiver.certificate_thumbprint


def paired_hosts(receiver: Receiver, listening: Listening) -> list[dict[str, object]]:
    """What is recorded of each of its nodes once it is configured."""
    not_after: object = receiver.certificate_not_after
    if listening.needs_certificate(receiver):
        not_after = Output(f"issue/{receiver.name}", "not_after")
    elif listening.authentication_type is not Authentication.CERTIFICATE:
        not_after = ""
    return [
        {
            "host_id": node.host_id,
            "location": receiver.location,
            "connection_point": receiver.name,
            "certificate_thumbprint": thumbprint_of(receiver, listening),
            "certificate_not_after": not_after,
            "storage_location": Output("check", receiver.name),
        }
        for node in receiver.nodes
    ]
