"""What Enable-VMReplication refuses of a VM, of its host and of the pair of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.clusters import require_broker
from deploy.lab.site.errors import HyperVError, invalid_parameter, operation_failed
from deploy.lab.site.generations import FACTS, Generation
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.model import VMState

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine
    from deploy.lab.site.replication_model import Replication


def _refused(vm: VirtualMachine, why: str) -> HyperVError:
    return operation_failed(
        f"Hyper-V failed to enable replication for virtual machine '{vm.name}': {why} "
        f"(Virtual machine ID {vm.vm_id.upper()})"
    )


def check_machine(site: SiteCore, host: Host, vm: VirtualMachine, replication: Replication) -> None:
    """Raises HyperVError when the VM, as it is on this host, cannot be a primary.

    That the broker must exist for a clustered VM is documented; for one that is only on a node,
    and not highly available, it is not, and the lab wants it all the same. Of fibre channel,
    shielded and saved or paused VMs Hyper-V's own limits are not documented; Site Recovery excludes
    them, and so does the lab. More than 16 disks, and IPv6, are Site Recovery's limits only.
    """
    require_broker(site, host)
    replicated = [each for each in vm.disks if each.id not in replication.excluded_disk_ids]
    if not replicated:
        raise _refused(vm, "the virtual machine has no virtual hard disk.")
    if any(each.pass_through for each in replicated):
        raise _refused(vm, "physical (pass-through) disks cannot be replicated.")
    if any(each.shared for each in replicated):
        raise _refused(vm, "shared virtual hard disks cannot be replicated.")
    if vm.fibre_channel_adapters:
        raise _refused(vm, "virtual machines with virtual Fibre Channel cannot be replicated.")
    if vm.shielded or vm.encrypted:
        raise _refused(vm, "the Replica server is not authorised to run encrypted machines.")
    if vm.state in (VMState.SAVED, VMState.PAUSED):
        raise _refused(vm, "the operation cannot be performed while the object is in its state.")


def check_generation(host: Host, replication: Replication) -> None:
    """Raises HyperVError when the host's Windows does not know a setting."""
    facts = FACTS[host.generation]
    if replication.frequency_seconds not in facts.frequencies_seconds:
        known = ", ".join(map(str, facts.frequencies_seconds))
        raise invalid_parameter(
            f"ReplicationFrequencySec must be {known} on Windows Server {host.generation}."
        )
    if replication.recovery_history > facts.longest_history:
        raise invalid_parameter(
            f"RecoveryHistory must be at most {facts.longest_history} on Windows Server "
            f"{host.generation}."
        )


def check_pair(host: Host, primary: str) -> None:
    """Raises LinkError when the replica server's Windows is older than the primary server's.

    Between generations only the direction of an upgrade is known to work.
    """
    theirs = Generation(primary)
    if FACTS[host.generation].order < FACTS[theirs].order:
        raise LinkError(
            LinkFailure.REFUSED,
            f"The Replica server runs Windows Server {host.generation}, which is older than the "
            f"primary server's {theirs}.",
        )
