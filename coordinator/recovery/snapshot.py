"""A protected machine as the planners of the failover family see it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from coordinator.jobs.steps import StepKind, StepSpec, host_slot
from coordinator.protection.rules import Authentication, FailoverNetworks


@dataclass(frozen=True, kw_only=True)
class Side:
    """One site of a machine.

    Attributes:
        provider_id: The provider of the site's fabric.
        host: FQDN of the host that has the machine or its replica.
        connection_point: The name others replicate to: the host's, or its cluster's broker.
        certificate_thumbprint: Of the host; empty with Kerberos.
        connected: Whether the provider was there when the snapshot was made, or may be back in a
            moment: a source that a restart of the gateway cut off must not be taken for lost.
    """

    provider_id: str
    host: str
    connection_point: str
    certificate_thumbprint: str
    connected: bool = True


@dataclass(frozen=True, kw_only=True)
class MachineSnapshot:
    """A machine and its two sides.

    Attributes:
        active: The side the machine runs on.
        passive: The other one.
        role_epoch: Of the item; commands bear it, and one more after the step that raises it.
        networks: What its failover has to do about networks.
    """

    vm_id: str
    active: Side
    passive: Side
    authentication_type: Authentication
    replication_port: int
    role_epoch: int = 0
    networks: FailoverNetworks = field(default_factory=FailoverNetworks)

    def at(self, side: Side) -> dict[str, object]:
        """The wire's VirtualMachineRef of the machine on a side."""
        return {"vm_id": self.vm_id, "host": side.host, "role_epoch": self.role_epoch}

    def once_decided(self) -> MachineSnapshot:
        """The machine as it is after a step that raised its role epoch."""
        return replace(self, role_epoch=self.role_epoch + 1)

    def on(self, side: Side, spec: StepSpec) -> StepSpec:
        """The step as a command about the machine on a side.

        What changes something takes a place at its host; looking does not.
        """
        looks = spec.action.startswith("read_")
        return replace(
            spec,
            kind=StepKind.COMMAND,
            provider=side.provider_id,
            inputs={"vm": self.at(side), **spec.inputs},
            slot="" if looks else host_slot(side.host),
        )
