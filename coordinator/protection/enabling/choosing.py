"""Choosing the pairing that a machine replicates by: that of its host's generation (SPEC PO-2)."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, VirtualMachine
from coordinator.failures import RefusedError, refuse
from coordinator.protection.enabling.surroundings import Surroundings
from coordinator.protection.inventory import cloud_of
from coordinator.protection.models import Pairing, Policy
from coordinator.protection.pairing.coverage import windows_of
from coordinator.protection.pairing.generations import (
    HostWindows,
    covering,
    machine_generation_failure,
)
from coordinator.protection.policies.rules import InstanceType
from coordinator.protection.states import PairingState


def choose_pairing(machine: VirtualMachine, policy: Policy | None, around: Surroundings) -> Pairing:
    """The pairing of the machine's cloud that covers its host; held until the transaction ends.

    Args:
        machine: The one to protect.
        policy: What the request names; None: whichever fits.
        around: What was read for other machines in this transaction.

    Raises:
        RefusedError: CloudNotPaired, PolicyNotOfPairing (400), HostGenerationNotSupported naming
            the host, or CloudPairingIncomplete; 409 but where said.

    Source: SPEC PO-2, RE-1.
    """
    where = (machine.fabric_id, machine.cloud_external_id)
    pairings = around.once(("pairings", where), lambda: _pairings_of(machine))
    _refuse_other_policy(pairings, policy)
    host = around.once(("windows", machine.fabric_id, machine.host_fqdn), lambda: _host_of(machine))
    found = covering(host, [InstanceType(each.instance_type) for each in pairings])
    pairing = next((each for each in pairings if each.instance_type == found), None)
    if pairing is None or (policy is not None and policy.id != pairing.policy_id):
        unfit = [each.policy.name for each in pairings] if policy is None else [policy.name]
        raise RefusedError(machine_generation_failure(machine.name, host, unfit), status=409)
    if pairing.state != PairingState.PAIRED:
        raise refuse(
            "CloudPairingIncomplete",
            f"The pairing {pairing.name} is in the state {pairing.state}.",
            causes=["The job that configures its hosts runs, or has failed."],
            action="Wait for the job, or associate the policy with the clouds again.",
            status=409,
        )
    return pairing


def _pairings_of(machine: VirtualMachine) -> Sequence[Pairing]:
    """The pairings of the machine's cloud, one for each generation, all of them held."""
    cloud = cloud_of(machine)
    found = (
        []
        if cloud is None
        else list(
            Pairing.objects.select_for_update(of=("self",), no_key=True)
            .select_related("policy", "primary_fabric", "recovery_fabric")
            .filter(primary_cloud=cloud)
            .order_by("id")
        )
    )
    if not found:
        raise _unpaired(machine, cloud)
    return found


def _host_of(machine: VirtualMachine) -> HostWindows:
    host = fabrics.find_host(machine.fabric_id, machine.host_fqdn)
    return HostWindows(fqdn=machine.host_fqdn) if host is None else windows_of([host])[0]


def _unpaired(machine: VirtualMachine, cloud: Cloud | None) -> RefusedError:
    where = "no cloud" if cloud is None else f"the cloud {cloud.name}"
    return refuse(
        "CloudNotPaired",
        f"{machine.name} is in {where}, which is not the primary cloud of a pair.",
        causes=["Only machines of a paired primary cloud can be protected."],
        action="Pair the cloud with a recovery cloud first.",
        status=409,
    )


def _refuse_other_policy(pairings: Sequence[Pairing], policy: Policy | None) -> None:
    if policy is None or policy.id in {pairing.policy_id for pairing in pairings}:
        return
    names = ", ".join(sorted(pairing.policy.name for pairing in pairings))
    raise refuse(
        "PolicyNotOfPairing",
        f"The policy {policy.name} is not that of the pairing "
        f"{', '.join(sorted(pairing.name for pairing in pairings))}.",
        causes=[f"The clouds are paired under {names}."],
        action=f"Give the policy {names}, or none.",
        field="policyId",
    )
