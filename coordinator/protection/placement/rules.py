"""Choosing the host that will hold a replica, with the reasons (SPEC ST-2, NW-6)."""

from __future__ import annotations

from dataclasses import dataclass

GIBIBYTE = 1024**3
# VMM's words for a host it cannot reach or does not manage fully.
RESPONDING = frozenset({"", "Responding"})


@dataclass(frozen=True, kw_only=True)
class HostCandidate:
    """A host of the recovery cloud.

    Attributes:
        storage_location: Where the pairing puts replicas on it.
        storage_free_bytes: Free space there; None when the inventory does not tell.
        total_memory_bytes: 0 when the inventory does not tell; memory is then not looked at.
        reserved_memory_bytes: What replicas already placed there will need once failed over.
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


@dataclass(frozen=True)
class MachineNeeds:
    """What the machine takes on the host it fails over to."""

    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class HostAssessment:
    """What speaks for or against a host.

    Attributes:
        score: Memory left after failover, in GiB; 0 for a host that does not fit.
    """

    host: str
    fits: bool
    score: float
    reasons: tuple[str, ...]

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


def choose_host(
    candidates: tuple[HostCandidate, ...], needs: MachineNeeds, *, preferred: str = ""
) -> Placement:
    """Chooses the fitting host with the most memory left.

    Args:
        candidates: Hosts of the recovery cloud, in any order.
        needs: Of the machine.
        preferred: A host that may hold a replica of this machine already; kept while it fits.

    Returns:
        The choice and an assessment of every candidate. The same candidates in another order give
        the same choice.

    Source: SPEC ST-2.
    """
    assessed = [(_assess(candidate, needs), candidate) for candidate in candidates]
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


def _assess(candidate: HostCandidate, needs: MachineNeeds) -> HostAssessment:
    against = _against(candidate, needs)
    if against:
        return HostAssessment(candidate.fqdn, fits=False, score=0.0, reasons=tuple(against))
    left_bytes = _memory_left(candidate, needs)
    reasons = [f"{left_bytes / GIBIBYTE:.1f} GiB of memory left after failover"]
    if candidate.storage_free_bytes is None:
        reasons.append(f"free space of {candidate.storage_location} is not known")
    else:
        free = candidate.storage_free_bytes / GIBIBYTE
        reasons.append(f"{free:.1f} GiB free at {candidate.storage_location}")
    return HostAssessment(
        candidate.fqdn, fits=True, score=round(left_bytes / GIBIBYTE, 3), reasons=tuple(reasons)
    )


def _against(candidate: HostCandidate, needs: MachineNeeds) -> list[str]:
    reasons: list[str] = []
    if not candidate.storage_location:
        reasons.append("no storage location for replicas is configured")
    if not candidate.available_for_placement:
        reasons.append("not available for placement in VMM")
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
    if free_bytes is not None and free_bytes < needs.disk_bytes:
        reasons.append(
            f"needs {needs.disk_bytes / GIBIBYTE:.1f} GiB at {candidate.storage_location}, has "
            f"{free_bytes / GIBIBYTE:.1f} GiB"
        )
    return reasons


def _memory_left(candidate: HostCandidate, needs: MachineNeeds) -> int:
    if not candidate.total_memory_bytes:
        return 0
    return candidate.available_memory_bytes - candidate.reserved_memory_bytes - needs.memory_bytes
