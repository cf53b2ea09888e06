"""What callers of the protection and recovery services ask for."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.fabrics.models import Cloud, VirtualMachine
from coordinator.protection.models import Policy
from coordinator.vaults.models import Vault


@dataclass(frozen=True)
class RequestOrigin:
    """Who asked, and how the same request is known again.

    Attributes:
        started_by: Name of the person or program, for the job.
        client_request_id: Equal in repetitions of one request; empty: every request is new.
        target_resource: ARM id of the resource the operation is about.
        correlation_id: What logs of it, and of all it causes, are found by; empty: the job's own.
    """

    started_by: str
    client_request_id: str = ""
    target_resource: str = ""
    correlation_id: str = ""


# What begins by itself.
BY_ITSELF = RequestOrigin(started_by="Open Site Recovery")


@dataclass(frozen=True, kw_only=True)
class PairingRequest:
    """Two clouds to pair under a policy."""

    vault: Vault
    name: str
    policy: Policy
    primary_cloud: Cloud
    recovery_cloud: Cloud


@dataclass(frozen=True, kw_only=True)
class ProtectionRequest:
    """A machine to protect; its pairing follows from its cloud.

    Attributes:
        name: The protected item's name in resource ids.
        machine: What VMM knows of it.
        policy: Policy the client named; it must be the pairing's. None: the pairing's.
        batch: Equal for machines that one request names: requests take turns in the line of first
            copies. Empty: all that one person asks for, one by one, of a pairing.
    """

    name: str
    machine: VirtualMachine
    policy: Policy | None = None
    batch: str = ""
