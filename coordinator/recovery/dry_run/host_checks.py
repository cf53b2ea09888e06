"""Whether the hosts and the storage where machines go have room for them: pure (SPEC RP-6)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from coordinator.failures import Failure
from coordinator.recovery.dry_run.facts import (
    HOST,
    STORAGE,
    Finding,
    HostFacts,
    MachineFacts,
    PlaceFacts,
    RunFacts,
    Severity,
)

GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
# Each disk gets a differencing disk, which has this before anything is written.
LEAST_DIFFERENCE_BYTES = 64 * MEBIBYTE
# So much of each disk is taken to be written until the differencing disks are merged or deleted,
# and needed again for merging.
WRITTEN_SHARE = 0.1


def check_room(facts: RunFacts) -> Iterator[Finding]:
    """What is found about hosts, their memory and their storage."""
    going = [each for each in facts.machines if each.takes_part and each.target_host]
    needed: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for machine in going:
        needed[machine.target_host] += machine.memory_bytes
        count[machine.target_host] += 1
    for host in facts.hosts:
        found = _host(host, needed[host.name], count[host.name]) if count[host.name] else None
        if found is not None:
            severity, failure = found
            yield Finding(
                severity=severity, failure=failure, object_type=HOST, object_name=host.name
            )
    yield from _storage(facts, going)


def _host(host: HostFacts, needed_bytes: int, machines: int) -> tuple[Severity, Failure] | None:
    wanted = _would_go(machines)
    if not host.known:
        return Severity.ERROR, Failure(
            "RecoveryHostGone",
            f"VMM does not have the host {host.name} any more; {wanted}.",
            ("It was removed from VMM, or renamed.",),
            "Bring the host back, or protect the machines anew.",
        )
    if host.maintenance:
        return Severity.WARNING, Failure(
            "RecoveryHostInMaintenance",
            f"The host {host.name} is in maintenance mode; {wanted}.",
            ("Somebody works on it.",),
            "End the maintenance mode before the machines are failed over.",
        )
    if not host.total_memory_bytes:
        return Severity.INFORMATION, Failure(
            "RecoveryHostMemoryUnknown",
            f"How much memory the host {host.name} has is not known; {wanted}.",
            ("VMM has not told it yet.",),
            "Refresh the host in VMM, then run the check again.",
        )
    if needed_bytes <= host.available_memory_bytes:
        return None
    too_large = needed_bytes > host.total_memory_bytes
    return Severity.ERROR if too_large else Severity.WARNING, Failure(
        "RecoveryHostMemoryShort",
        f"{wanted.capitalize()} and need {_gib(needed_bytes)}; {host.name} has "
        f"{_gib(host.available_memory_bytes)} free of {_gib(host.total_memory_bytes)}.",
        (
            "More machines have been placed there than it can run at once.",
            "Other machines that run there now use its memory.",
        ),
        f"Free memory on {host.name}, give it more, or move replicas to other hosts; machines "
        "with dynamic memory may start with less.",
    )


def _storage(facts: RunFacts, going: list[MachineFacts]) -> Iterator[Finding]:
    """Differencing disks, and the files that saved states are kept room for.

    A machine that runs has a file as large as its memory beside it, unless its automatic stop
    action is another than to save it.
    """
    needs: defaultdict[str, _Need] = defaultdict(_Need)
    known = {each.name: each for each in facts.places}
    for machine in going:
        memory_bytes = machine.memory_bytes
        for disk in machine.disks:
            need = needs[disk.place or _unknown(machine.target_host)]
            need.machines.add(machine.name)
            need.least_bytes += memory_bytes + LEAST_DIFFERENCE_BYTES
            written_bytes = max(LEAST_DIFFERENCE_BYTES, int(disk.size_bytes * WRITTEN_SHARE))
            need.likely_bytes += memory_bytes + written_bytes
            # It is beside the first disk.
            memory_bytes = 0
    for name, need in sorted(needs.items()):
        found = _place(known.get(name, PlaceFacts(name=name)), need)
        if found is not None:
            severity, failure = found
            yield Finding(severity=severity, failure=failure, object_type=STORAGE, object_name=name)


@dataclass
class _Need:
    """What machines want of a place."""

    machines: set[str] = field(default_factory=set)
    least_bytes: int = 0
    likely_bytes: int = 0


def _place(place: PlaceFacts, need: _Need) -> tuple[Severity, Failure] | None:
    wanted = f"{_would_go(len(need.machines))} and want about {_gib(need.likely_bytes)}"
    if place.free_bytes is None:
        return Severity.INFORMATION, Failure(
            "RecoveryStorageUnknown",
            f"How much space {place.name} has is not known; {wanted}.",
            ("VMM does not manage that storage, or has not told of it yet.",),
            "See that there is room, or refresh the storage in VMM.",
        )
    if place.free_bytes >= need.likely_bytes:
        return None
    too_small = place.free_bytes < need.least_bytes
    return Severity.ERROR if too_small else Severity.WARNING, Failure(
        "RecoveryStorageShort",
        f"{wanted}, {_gib(need.least_bytes)} of it to start; {place.name} has "
        f"{_gib(place.free_bytes)} free.",
        (
            "A machine that has been failed over, or is tested, writes to differencing disks.",
            "A machine that runs keeps room for its memory beside its disks.",
        ),
        f"Free space in {place.name}, give it more, or move replicas to other storage.",
    )


def _unknown(host: str) -> str:
    return f"the storage of {host}"


def _would_go(machines: int) -> str:
    return "1 machine would go to it" if machines == 1 else f"{machines} machines would go to it"


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / GIBIBYTE:.1f} GiB"
