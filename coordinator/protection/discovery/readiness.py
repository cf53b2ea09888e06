"""Whether a machine can be protected, and every reason why not (SPEC PR-3, DI-3, SS-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coordinator.failures import Failure
from coordinator.protection.pairing.generations import HostWindows, machine_generation_failure

MOST_DISKS = 16
# VMM's words for a machine at rest differ between its versions.
FIT_STATES = frozenset({"Running", "PowerOff", "Stopped", "Off"})
FIT_FORMATS = frozenset({"VHD", "VHDX"})
# Windows Server 2012 is 6.2; Hyper-V Replica begins with it.
FIRST_VERSION = (6, 2)
NO_ID = frozenset({"", "00000000-0000-0000-0000-000000000000"})


@dataclass(frozen=True, kw_only=True)
class DiskFacts:
    """A virtual disk as far as the rules look at it."""

    name: str
    format: str
    pass_through: bool = False
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """A virtual machine as far as the rules look at it.

    Attributes:
        vm_id: Hyper-V's; None: not looked at.
        state: VMM's word.
        gone: VMM no longer has it.
        replica: It is itself a replica, or a test copy of one.
        pass_through: VMM says it has such a disk, whether or not the disk is listed.
        shared_storage: As above, of a disk shared with other machines.
        fibre_channel: It has a virtual Fibre Channel adapter.
        encrypted: It is shielded, or encrypted with a virtual TPM.
        guest_ipv6: Its guest has an IPv6 address, other than a link-local one.
        runs_vmm: VMM itself runs in it.
        integration_services: The guest has them; None: not known.
        host: FQDN of its host.
        host_version: Windows version of that host; empty: not known.
        cloud_paired: Its cloud is the primary one of a pair; None: not looked at.
        generation_paired: A policy of its cloud names what its host runs; None: not looked at.
    """

    name: str
    cloud_name: str
    state: str
    disks: tuple[DiskFacts, ...]
    vm_id: str | None = None
    gone: bool = False
    replica: bool = False
    pass_through: bool = False
    shared_storage: bool = False
    fibre_channel: bool = False
    encrypted: bool = False
    guest_ipv6: bool = False
    runs_vmm: bool = False
    integration_services: bool | None = None
    host: str = ""
    host_version: str = ""
    cloud_paired: bool | None = None
    generation_paired: bool | None = None


def readiness_errors(machine: MachineFacts) -> tuple[Failure, ...]:
    """Why a machine cannot be protected; empty when it can.

    Every reason is told at once. Source: SPEC DI-3, PR-3, SS-2.
    """
    found = [rule(machine) for rule in RULES]
    return (*(failure for failure in found if failure is not None), *_disk_errors(machine))


def readiness_warnings(machine: MachineFacts) -> tuple[Failure, ...]:
    """What does not keep a machine from being protected, but limits what protection can do."""
    if machine.integration_services is False:
        return (
            Failure(
                "IntegrationServicesMissing",
                f"No integration services were detected in {machine.name}.",
                ("They are not installed in the guest, or too old.", "The guest does not run."),
                "Install current integration services: without them the guest cannot be shut "
                "down in order, and there are no application-consistent recovery points.",
            ),
        )
    return ()


def _without_id(machine: MachineFacts) -> Failure | None:
    if machine.vm_id is None or machine.vm_id not in NO_ID:
        return None
    return Failure(
        "VirtualMachineIdMissing",
        f"VMM does not know Hyper-V's id of {machine.name}.",
        ("The machine is being created, or its creation failed.", "Its host is out of reach."),
        "Refresh the machine in VMM.",
    )


def _gone(machine: MachineFacts) -> Failure | None:
    if not machine.gone:
        return None
    return Failure(
        "VirtualMachineNotFound",
        f"VMM no longer has {machine.name}.",
        ("The machine was removed, or moved to another VMM server.",),
        "Refresh the server and choose a machine that exists.",
    )


def _without_cloud(machine: MachineFacts) -> Failure | None:
    if machine.cloud_name:
        return None
    return Failure(
        "VirtualMachineNotInCloud",
        f"{machine.name} is in no cloud.",
        ("Only machines of a paired cloud can be protected.",),
        "Assign the machine to a paired cloud in VMM.",
    )


def _unpaired(machine: MachineFacts) -> Failure | None:
    if machine.cloud_paired is not False or not machine.cloud_name:
        return None
    return Failure(
        "CloudNotPaired",
        f"{machine.name} is in the cloud {machine.cloud_name}, which is not the primary cloud of "
        "a pair.",
        ("Only machines of a paired primary cloud can be protected.",),
        "Pair the cloud with a recovery cloud first.",
    )


def _other_generation(machine: MachineFacts) -> Failure | None:
    if machine.generation_paired is not False or not machine.cloud_paired:
        return None
    if _old_host(machine) is not None:
        # No policy could name that generation: told already.
        return None
    host = HostWindows(fqdn=machine.host, version=machine.host_version)
    return machine_generation_failure(machine.name, host)


def _management(machine: MachineFacts) -> Failure | None:
    if not machine.runs_vmm:
        return None
    return Failure(
        "VirtualMachineRunsVmm",
        f"VMM itself runs in {machine.name}.",
        ("A failover of this machine would stop the server that carries the failover out.",),
        "Keep the machine out of protected clouds, and replicate it with Hyper-V Replica by hand.",
    )


def _replica(machine: MachineFacts) -> Failure | None:
    if not machine.replica:
        return None
    return Failure(
        "VirtualMachineIsReplica",
        f"{machine.name} is the replica of another machine.",
        ("A replica belongs to the protection of its primary machine.",),
        "Protect the primary machine.",
    )


def _unfit_state(machine: MachineFacts) -> Failure | None:
    if machine.state in FIT_STATES:
        return None
    return Failure(
        "VirtualMachineStateNotSupported",
        f"{machine.name} is in the state {machine.state or 'unknown'}.",
        ("A machine can be protected while it runs or is turned off.",),
        "Start the machine or shut it down, then try again.",
    )


def _fibre_channel(machine: MachineFacts) -> Failure | None:
    if not machine.fibre_channel:
        return None
    return Failure(
        "FibreChannelAdapter",
        f"{machine.name} has a virtual Fibre Channel adapter.",
        ("Hyper-V Replica cannot copy what is on a storage network.",),
        "Move the data to virtual disks and remove the adapter.",
    )


def _encrypted(machine: MachineFacts) -> Failure | None:
    if not machine.encrypted:
        return None
    return Failure(
        "EncryptedVirtualMachine",
        f"{machine.name} is shielded or encrypted.",
        ("Its disks can be read only where its keys are guarded.",),
        "Turn the encryption of the machine off, or leave it unprotected.",
    )


def _guest_ipv6(machine: MachineFacts) -> Failure | None:
    if not machine.guest_ipv6:
        return None
    return Failure(
        "GuestIPv6",
        f"The guest of {machine.name} uses IPv6.",
        ("Addresses can be carried over to the recovery site for IPv4 only.",),
        "Give the guest IPv4 addresses and turn IPv6 off in it.",
    )


def _old_host(machine: MachineFacts) -> Failure | None:
    numbers = [int(part) if part.isdigit() else 0 for part in machine.host_version.split(".")[:2]]
    if not machine.host_version or tuple(numbers) >= FIRST_VERSION:
        return None
    return Failure(
        "HostTooOld",
        f"{machine.name} is on {machine.host}, which runs Windows {machine.host_version}.",
        ("Hyper-V Replica begins with Windows Server 2012.",),
        "Move the machine to a host with Windows Server 2012 or later.",
    )


def _flagged_pass_through(machine: MachineFacts) -> Failure | None:
    if not machine.pass_through or any(disk.pass_through for disk in machine.disks):
        return None
    return _pass_through(f"A disk of {machine.name}")


def _flagged_shared(machine: MachineFacts) -> Failure | None:
    if not machine.shared_storage or any(disk.shared for disk in machine.disks):
        return None
    return _shared(f"A disk of {machine.name}")


def _disk_count(machine: MachineFacts) -> Failure | None:
    if not machine.disks:
        return Failure(
            "NoDisk",
            f"{machine.name} has no virtual disk.",
            ("There is nothing to replicate.",),
            "Attach a VHD or VHDX to the machine.",
        )
    if len(machine.disks) > MOST_DISKS:
        return Failure(
            "TooManyDisks",
            f"{machine.name} has {len(machine.disks)} disks.",
            (f"At most {MOST_DISKS} disks of a machine can be replicated.",),
            f"Bring the machine to {MOST_DISKS} disks or fewer.",
        )
    return None


RULES: tuple[Callable[[MachineFacts], Failure | None], ...] = (
    _gone,
    _without_id,
    _without_cloud,
    _unpaired,
    _other_generation,
    _management,
    _replica,
    _unfit_state,
    _old_host,
    _fibre_channel,
    _encrypted,
    _guest_ipv6,
    _flagged_pass_through,
    _flagged_shared,
    _disk_count,
)


def _disk_errors(machine: MachineFacts) -> list[Failure]:
    found: list[Failure] = []
    for disk in machine.disks:
        what = f"The disk {disk.name} of {machine.name}"
        if disk.pass_through:
            found.append(_pass_through(what))
        elif disk.format not in FIT_FORMATS:
            found.append(
                Failure(
                    "DiskFormatNotSupported",
                    f"{what} has the format {disk.format or 'unknown'}.",
                    ("Hyper-V Replica copies VHD and VHDX files.",),
                    "Convert the disk to a VHDX file.",
                )
            )
        if disk.shared:
            found.append(_shared(what))
    return found


def _pass_through(what: str) -> Failure:
    return Failure(
        "PassThroughDisk",
        f"{what} is a pass-through disk.",
        ("Hyper-V Replica copies virtual disk files only.",),
        "Convert the disk to a VHDX file.",
    )


def _shared(what: str) -> Failure:
    return Failure(
        "SharedDisk",
        f"{what} is shared with other machines.",
        ("A shared virtual disk cannot be replicated.",),
        "Use a disk of its own for the machine.",
    )
