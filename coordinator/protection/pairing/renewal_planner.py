"""The graphs that roll host certificates over: new ones in use, then old ones removed: pure.

Two jobs and not one: between them every operation may go on, and the second waits until no machine
is in the middle of one that still names the old certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.pairing.host_steps import (
    Listening,
    Node,
    Receiver,
    certificate_steps,
    check_step,
    configure_step,
    paired_hosts,
    read_steps,
)

# No recording shows ASR's names of them.
RENEW_SCENARIO = "RenewReplicationCertificates"
RENEW_FRIENDLY_NAME = "Renew replication certificates"
RETIRE_SCENARIO = "RetireReplicationCertificates"
RETIRE_FRIENDLY_NAME = "Remove superseded replication certificates"

CHECK = "CertificatesPrerequisitesCheck"
ISSUE = "CertificatesIssue"
SWITCH = "CertificatesSwitch"
RECORD = "CertificatesRecord"
CHANGE = "CertificatesChangeReplication"
REMOVE = "CertificatesRemove"


@dataclass(frozen=True)
class ReplicatingMachine:
    """A machine that sends from one of the hosts.

    Attributes:
        vm_id: Hyper-V's.
        host: FQDN of the host it runs on.
    """

    vm_id: str
    host: str


@dataclass(frozen=True, kw_only=True)
class Retirement:
    """What there is to retire.

    Attributes:
        provider_id: Who reaches the hosts.
        thumbprint: Of the certificate in use.
        superseded: By host the thumbprints to remove.
        machines: All that send from these hosts.
    """

    provider_id: str
    thumbprint: str
    superseded: tuple[tuple[Node, tuple[str, ...]], ...]
    machines: tuple[ReplicatingMachine, ...]


def is_due(not_after: datetime, lifetime: timedelta, now: datetime) -> bool:
    """Whether a certificate is to be renewed: a third of its life is left. Source: SPEC PO-3."""
    return not_after - now <= lifetime / 3


def plan_renewal(listening: Listening, receivers: tuple[Receiver, ...]) -> Graph:
    """Gives hosts new certificates and makes them receive with these; the old ones stay.

    Machines go on sending with the old ones, which other hosts trust as before.

    Args:
        listening: How the hosts receive.
        receivers: Without a certificate to go on using, with all entries they have.

    Source: SPEC PO-3.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Check the hosts"),
            TaskSpec(ISSUE, "Issue and install the new certificates"),
            TaskSpec(SWITCH, "Receive with the new certificates"),
            TaskSpec(RECORD, "Record the new certificates"),
        ),
        steps=tuple(_renewal_steps(listening, receivers)),
    )


def plan_retirement(retirement: Retirement) -> Graph:
    """Lets every machine of a host send with the new certificate, then removes the old ones.

    A machine that cannot be changed now stops nothing: the provider refuses to remove a certificate
    that is still named, and a later job tries again. Source: SPEC PO-3.
    """
    return Graph(
        tasks=(
            TaskSpec(
                CHANGE,
                "Change the machines' replication",
                "" if retirement.machines else "No machine replicates from the host.",
            ),
            TaskSpec(REMOVE, "Remove the superseded certificates"),
        ),
        steps=tuple(_retirement_steps(retirement)),
    )


def _renewal_steps(listening: Listening, receivers: tuple[Receiver, ...]) -> Iterator[StepSpec]:
    yield from read_steps(CHECK, receivers)
    yield check_step(CHECK, receivers)
    for receiver in receivers:
        yield from certificate_steps(ISSUE, receiver)
    for receiver in receivers:
        yield configure_step(SWITCH, receiver, listening)
        # Recorded at once: whatever becomes of the others, this one receives with its new one.
        yield StepSpec(
            key=f"record/{receiver.name}",
            task=RECORD,
            kind=StepKind.RECORD,
            action="protection.certificates_switched",
            inputs={"hosts": paired_hosts(receiver, listening)},
            after=(f"configure/{receiver.name}",),
        )


def _retirement_steps(retirement: Retirement) -> Iterator[StepSpec]:
    for machine in retirement.machines:
        yield StepSpec(
            key=f"change/{machine.vm_id}",
            task=CHANGE,
            kind=StepKind.COMMAND,
            action="change_replication",
            provider=retirement.provider_id,
            inputs={
                "vm": {"vm_id": machine.vm_id, "host": machine.host},
                "certificate_thumbprint": retirement.thumbprint,
            },
            on_failure=FailureRule.WARN,
            time_limit_seconds=300,
        )
    changed = tuple(f"change/{machine.vm_id}" for machine in retirement.machines)
    for node, thumbprints in retirement.superseded:
        yield StepSpec(
            key=f"remove/{node.fqdn}",
            task=REMOVE,
            kind=StepKind.COMMAND,
            action="remove_host_certificates",
            provider=retirement.provider_id,
            inputs={"host": node.fqdn, "thumbprints": list(thumbprints)},
            after=changed,
            time_limit_seconds=300,
        )
        yield StepSpec(
            key=f"forget/{node.fqdn}",
            task=REMOVE,
            kind=StepKind.RECORD,
            action="protection.certificates_removed",
            inputs={"host_id": node.host_id, "thumbprints": list(thumbprints)},
            after=(f"remove/{node.fqdn}",),
        )
