"""Choosing the host that will hold a replica, by a score with reasons (SPEC ST-2, NW-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coordinator.protection.pairing.generations import version_numbers
from coordinator.protection.storage.rules import (
    DiskNeed,
    Location,
    StorageChoice,
    choose_storage,
    suitable_alone,
)

GIBIBYTE = 1024**3
# VMM's words for a host it cannot reach or does not manage fully.
RESPONDING = frozenset({"", "Responding"})

# A host that reaches more of the networks is better whatever it runs; then one that the machine can
# come back from, whatever its storage; then one with more of the disks on mapped storage, whatever
# its memory. At most 12 adapters and 16 disks keep the steps
# of one above the whole of the next.
NETWORK_POINTS = 30_000.0
# Replication can be reversed to a host only that is not older.
SAME_WINDOWS_POINTS = 1_000.0
STORAGE_POINTS = 500.0
MEMORY_POINTS = 20.0
SPACE_POINTS = 10.0
# Amounts at which half of the points are given: more is better, but less and less.
HALF_MEMORY_BYTES = 32 * GIBIBYTE
HALF_SPACE_BYTES = 1024 * GIBIBYTE


@dataclass(frozen=True, kw_only=True)
class HostCandidate:
    """A host of the recovery cloud.

    Attributes:
        storage_location: Where the pairing puts replicas on it: its default replica path.
        storage_free_bytes: Free space there that nobody has been promised; None when the
            inventory does not tell.
        total_memory_bytes: 0 when the inventory does not tell; memory is then not looked at.
        reserved_memory_bytes: What replicas already placed there will need once failed over.
        unreachable_networks: Of the networks the machine's mapping wants, those the host has no
            switch for.
        windows: Version of its Windows; empty when the inventory does not tell.
        covered: It runs the generation that the pairing's policy names.
    """

    fqdn: str
    storage_location: str
    available_for_placement: bool = True
    maintenance: bool = False
    communication_state: str = ""
    total_memory_bytes: int = 0
    available_memory_bytes: int = 0
    reserved_memory_bytes: int = 0
    storage_free_bytes: int | None = None
    unreachable_networks: tuple[str, ...] = ()
    windows: str = ""
    covered: bool = True


@dataclass(frozen=True, kw_only=True)
class MachineNeeds:
    """What the machine takes on the host it fails over to.

    Attributes:
        networks: Names of the networks that its network mapping wants on the recovery side.
        windows: Version of its host's Windows; empty when the inventory does not tell.
    """

    memory_bytes: int
    disks: tuple[DiskNeed, ...] = ()
    networks: tuple[str, ...] = ()
    windows: str = ""


@dataclass(frozen=True)
class Site:
    """The recovery side's storage.

    Attributes:
        mappings: Storage classifications of the source to those of the target.
        locations: Shares and volumes.
    """

    mappings: Mapping[str, str] = field(default_factory=dict)
    locations: tuple[Location, ...] = ()


@dataclass(frozen=True)
class HostAssessment:
    """What speaks for or against a host.

    Attributes:
        score: 0 for a host that does not fit; else the higher the better.
        storage: Where the disks would go.
    """

    host: str
    fits: bool
    score: float
    reasons: tuple[str, ...]
    storage: StorageChoice

    def as_json(self) -> dict[str, object]:
        return {
            "host": self.host,
            "fits": self.fits,
            "score": self.score,
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True)
class Placement:
    """The host chosen, best first in the assessments; no host when none fits."""

    chosen: HostCandidate | None
    assessments: tuple[HostAssessment, ...]

    @property
    def storage(self) -> StorageChoice:
        """Where the disks go on the chosen host; nowhere when there is none."""
        return self.assessments[0].storage if self.chosen is not None else StorageChoice(())


def choose_host(
    candidates: tuple[HostCandidate, ...],
    needs: MachineNeeds,
    site: Site | None = None,
    *,
    preferred: str = "",
) -> Placement:
    """Chooses the fitting host with the highest score.

    Args:
        candidates: Hosts of the recovery cloud, in any order.
        needs: Of the machine.
        site: The recovery side's storage; None: nothing is mapped.
        preferred: A host that may hold a replica of this machine already; kept while it fits.

    Returns:
        The choice and an assessment of every candidate. The same candidates in another order give
        the same choice; more free memory or space never lowers a host's score.

    Source: SPEC ST-2, NW-6.
    """
    known = site or Site()
    assessed = [(_assess(candidate, needs, known), candidate) for candidate in candidates]
    assessed.sort(
        key=lambda pair: (
            not pair[0].fits,
            pair[0].host != preferred,
            -pair[0].score,
            pair[0].host,
        )
    )
    chosen = assessed[0][1] if assessed and assessed[0][0].fits else None
    return Placement(chosen, tuple(assessment for assessment, _ in assessed))


def _assess(candidate: HostCandidate, needs: MachineNeeds, site: Site) -> HostAssessment:
    storage = choose_storage(needs.disks, candidate.fqdn, site.mappings, site.locations)
    against = _against(candidate, needs, storage)
    if against:
        return HostAssessment(
            candidate.fqdn, fits=False, score=0.0, reasons=tuple(against), storage=storage
        )
    points: list[float] = []
    reasons: list[str] = []
    for part in (
        _for_networks(candidate, needs),
        _for_windows(candidate, needs),
        _for_mapped_storage(candidate, needs, site, storage),
        _for_memory(candidate, needs),
        _for_space(candidate, needs, site, storage),
    ):
        points.append(part[0])
        reasons += [part[1]] if part[1] else []
    score = round(sum(points), 3)
    return HostAssessment(
        candidate.fqdn, fits=True, score=score, reasons=tuple(reasons), storage=storage
    )


def _for_networks(candidate: HostCandidate, needs: MachineNeeds) -> tuple[float, str]:
    if not needs.networks:
        return NETWORK_POINTS, ""
    missing = set(candidate.unreachable_networks) & set(needs.networks)
    if missing:
        share = 1 - len(missing) / len(set(needs.networks))
        return NETWORK_POINTS * share, f"does not reach {', '.join(sorted(missing))}"
    return NETWORK_POINTS, f"reaches {', '.join(sorted(set(needs.networks)))}"


def _for_windows(candidate: HostCandidate, needs: MachineNeeds) -> tuple[float, str]:
    """Hyper-V replicates from an older Windows to a newer one, and not back."""
    own, other = version_numbers(candidate.windows), version_numbers(needs.windows)
    if not own or not other or own <= other:
        return SAME_WINDOWS_POINTS, ""
    return 0.0, (
        f"runs Windows {candidate.windows}, newer than the machine's host ({needs.windows}): "
        "replication could not be reversed to it"
    )


def _for_mapped_storage(
    candidate: HostCandidate, needs: MachineNeeds, site: Site, storage: StorageChoice
) -> tuple[float, str]:
    mapped = [disk for disk in needs.disks if disk.classification in site.mappings]
    if not mapped:
        return STORAGE_POINTS, ""
    found = sum(
        suitable_alone(disk, candidate.fqdn, site.mappings, site.locations) is not None
        for disk in mapped
    )
    placed = len(storage.moved)
    reason = f"{placed} of {len(mapped)} disks on the storage their classification is mapped to"
    return STORAGE_POINTS * found / len(mapped), reason


def _for_memory(candidate: HostCandidate, needs: MachineNeeds) -> tuple[float, str]:
    if not candidate.total_memory_bytes:
        return 0.0, "its memory is not known"
    left_bytes = _memory_left(candidate, needs)
    return (
        MEMORY_POINTS * _share(left_bytes, HALF_MEMORY_BYTES),
        f"{left_bytes / GIBIBYTE:.1f} GiB of memory left after failover",
    )


def _for_space(
    candidate: HostCandidate, needs: MachineNeeds, site: Site, storage: StorageChoice
) -> tuple[float, str]:
    """The space at the scarcest of the places that disks would go to, each looked at alone."""
    free: list[int] = []
    reason = ""
    for disk in needs.disks:
        place = suitable_alone(disk, candidate.fqdn, site.mappings, site.locations)
        left = candidate.storage_free_bytes if place is None else place.left_bytes
        free.append(left or 0)
    if storage.default_bytes or not needs.disks:
        if candidate.storage_free_bytes is None:
            reason = f"free space of {candidate.storage_location} is not known"
        else:
            gib = candidate.storage_free_bytes / GIBIBYTE
            reason = f"{gib:.1f} GiB free at {candidate.storage_location}"
    return SPACE_POINTS * _share(min(free, default=0), HALF_SPACE_BYTES), reason


def _share(amount: int, half: int) -> float:
    """Between 0 and 1, growing with the amount."""
    return amount / (amount + half)


def _against(candidate: HostCandidate, needs: MachineNeeds, storage: StorageChoice) -> list[str]:
    reasons: list[str] = []
    if not candidate.storage_location:
        reasons.append("no storage location for replicas is configured")
    if not candidate.available_for_placement:
        reasons.append("not available for placement in VMM")
    if not candidate.covered:
        reasons.append(f"runs Windows {candidate.windows}, which the policy does not name")
    elif _older(candidate, needs):
        reasons.append(
            f"runs Windows {candidate.windows}, older than the machine's host ({needs.windows})"
        )
    if candidate.maintenance:
        reasons.append("in maintenance")
    if candidate.communication_state not in RESPONDING:
        reasons.append(f"VMM says it is {candidate.communication_state}")
    if candidate.total_memory_bytes and _memory_left(candidate, needs) < 0:
        reasons.append(
            f"needs {needs.memory_bytes / GIBIBYTE:.1f} GiB of memory, has "
            f"{(_memory_left(candidate, needs) + needs.memory_bytes) / GIBIBYTE:.1f} GiB"
        )
    free_bytes = candidate.storage_free_bytes
    if free_bytes is not None and free_bytes < storage.default_bytes:
        reasons.append(
            f"needs {storage.default_bytes / GIBIBYTE:.1f} GiB at {candidate.storage_location}, "
            f"has {free_bytes / GIBIBYTE:.1f} GiB"
        )
    return reasons


def _older(candidate: HostCandidate, needs: MachineNeeds) -> bool:
    """A replica server must not run an older Windows than its primary."""
    own, other = version_numbers(candidate.windows), version_numbers(needs.windows)
    return bool(own and other) and own < other


def _memory_left(candidate: HostCandidate, needs: MachineNeeds) -> int:
    if not candidate.total_memory_bytes:
        return 0
    return candidate.available_memory_bytes - candidate.reserved_memory_bytes - needs.memory_bytes
