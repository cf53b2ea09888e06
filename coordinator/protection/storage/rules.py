"""What may be mapped to what, and where each disk of a replica goes (SPEC ST-1, ST-2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from coordinator.failures import Failure

GIBIBYTE = 1024**3


@dataclass(frozen=True, kw_only=True)
class Location:
    r"""A share or volume.

    Attributes:
        path: As hosts write it, for example "C:\ClusterStorage\Volume1".
        classification: Name of its storage classification; empty for none.
        free_bytes: None when VMM does not tell.
        hosts: FQDNs in lower case of the hosts that reach it.
        closed: VMM was told to place nothing there.
        expected_bytes: What replicas that are placed there, but not copied yet, will take.
    """

    path: str
    classification: str = ""
    free_bytes: int | None = None
    hosts: frozenset[str] = frozenset()
    closed: bool = False
    expected_bytes: int = 0

    @property
    def left_bytes(self) -> int | None:
        """Free space that nobody has been promised; None when it is not known."""
        if self.free_bytes is None:
            return None
        return max(0, self.free_bytes - self.expected_bytes)


@dataclass(frozen=True)
class CloudHosts:
    """A cloud and the FQDNs, in lower case, of the hosts in its host groups."""

    name: str
    hosts: frozenset[str]


@dataclass(frozen=True)
class Classification:
    """A storage classification of a server, with the places that carry it."""

    name: str
    server: str
    locations: tuple[Location, ...] = ()

    def available_to(self, cloud: CloudHosts) -> bool:
        """Whether a host of the cloud's host groups reaches a place of the classification."""
        return any(location.hosts & cloud.hosts for location in self.locations)


def mapping_failure(
    source: Classification,
    target: Classification,
    pairs: tuple[tuple[CloudHosts, CloudHosts], ...],
) -> Failure | None:
    """Why a classification cannot be mapped to another; None when it can.

    Types of storage may differ: a file share may be mapped to a cluster shared volume.

    Args:
        source: Of the server that protects.
        target: Of the server that recovers.
        pairs: Source and target cloud between which the mapping would serve: those that are
            paired, or, when the servers have none yet, those that could be.

    Source: SPEC ST-1.
    """
    if any(source.available_to(one) and target.available_to(other) for one, other in pairs):
        return None
    causes = []
    for classification, clouds in (
        (source, {cloud for cloud, _ in pairs}),
        (target, {cloud for _, cloud in pairs}),
    ):
        if not any(classification.available_to(cloud) for cloud in clouds):
            names = ", ".join(sorted(cloud.name for cloud in clouds)) or "any cloud"
            causes.append(
                f"No host in the host groups of {names} reaches storage of {classification.name}"
                f" on {classification.server}."
            )
    if not causes:
        causes.append(
            f"{source.name} and {target.name} are not both available to the two clouds of one pair."
        )
    return Failure(
        "StorageClassificationNotAvailable",
        f"{source.name} of {source.server} cannot be mapped to {target.name} of {target.server}.",
        tuple(causes),
        "Classify storage that the hosts of both clouds reach, refresh the servers, then map "
        "again.",
    )


@dataclass(frozen=True, kw_only=True)
class DiskNeed:
    """A disk of the machine.

    Attributes:
        file_name: Of the virtual disk's file: the same on both sites.
        classification: Of the storage it is on; empty for none.
        size_bytes: What its copy may grow to.
    """

    file_name: str
    classification: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class DiskChoice:
    """Where a disk goes.

    Attributes:
        location: Path of the share or volume; empty: the host's default replica path.
        target_classification: What its classification is mapped to; empty without a mapping.
    """

    file_name: str
    size_bytes: int
    classification: str
    target_classification: str
    location: str
    reason: str

    def as_json(self) -> dict[str, object]:
        return {
            "file_name": self.file_name,
            "size_bytes": self.size_bytes,
            "classification": self.classification,
            "target_classification": self.target_classification,
            "location": self.location,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class StorageChoice:
    """The places of all disks of a machine on one host, in the machine's order."""

    disks: tuple[DiskChoice, ...]

    @property
    def default_bytes(self) -> int:
        """What goes to the host's default replica path."""
        return sum(disk.size_bytes for disk in self.disks if not disk.location)

    @property
    def moved(self) -> tuple[DiskChoice, ...]:
        """Disks that go elsewhere than to the default path."""
        return tuple(disk for disk in self.disks if disk.location)


def choose_storage(
    disks: tuple[DiskNeed, ...],
    host: str,
    mappings: Mapping[str, str],
    locations: Iterable[Location],
) -> StorageChoice:
    """Chooses the share or volume of each disk on one host.

    Disks of one classification stay together where one place has room for all of them; else each
    goes where there is room, the largest first. Of several places the one with the most space left
    is chosen. Without a mapping, or when no place is suitable, the disk goes to the host's default
    replica path.

    Args:
        disks: Of the machine.
        host: FQDN of the host that would hold the replica.
        mappings: Names of classifications of the source to those of the target.
        locations: Places of the target, in any order.

    Returns:
        A choice for every disk, with its reason. The same places in another order give the same
        choice.

    Source: SPEC ST-2.
    """
    reachable = [
        location for location in locations if host.lower() in location.hosts and not location.closed
    ]
    chosen: dict[int, DiskChoice] = {}
    by_target: dict[str, list[int]] = {}
    for index, disk in enumerate(disks):
        target = mappings.get(disk.classification, "") if disk.classification else ""
        if target:
            by_target.setdefault(target, []).append(index)
        else:
            chosen[index] = _default(disk, "", _unmapped(disk))
    for target, indices in by_target.items():
        places = _Places([each for each in reachable if each.classification == target])
        wanted = {index: disks[index] for index in indices}
        chosen |= places.choose(target, wanted, host)
    return StorageChoice(tuple(chosen[index] for index in range(len(disks))))


def suitable_alone(
    disk: DiskNeed, host: str, mappings: Mapping[str, str], locations: Iterable[Location]
) -> Location | None:
    """The best place for a disk if it were the only one; None when it would go to the default.

    Unlike the choice for all disks together this never gets worse when a place has more space.
    """
    target = mappings.get(disk.classification, "") if disk.classification else ""
    if not target:
        return None
    places = _Places(
        [
            each
            for each in locations
            if each.classification == target and host.lower() in each.hosts and not each.closed
        ]
    )
    return places.best(disk.size_bytes)


@dataclass
class _Places:
    """Places of one classification that a host reaches, with what was given away of them."""

    locations: list[Location]
    _taken: dict[str, int] = field(default_factory=dict)

    def choose(
        self, target: str, disks: Mapping[int, DiskNeed], host: str
    ) -> dict[int, DiskChoice]:
        if not self.locations:
            why = f"{host} reaches no storage of {target}"
            return {index: _default(disk, target, why) for index, disk in disks.items()}
        together = self.best(sum(disk.size_bytes for disk in disks.values()))
        chosen: dict[int, DiskChoice] = {}
        for index, disk in sorted(disks.items(), key=lambda one: (-one[1].size_bytes, one[0])):
            place = together or self.best(disk.size_bytes)
            if place is None:
                why = f"no storage of {target} has {_gib(disk.size_bytes)} free for it"
                chosen[index] = _default(disk, target, why)
                continue
            chosen[index] = DiskChoice(
                file_name=disk.file_name,
                size_bytes=disk.size_bytes,
                classification=disk.classification,
                target_classification=target,
                location=place.path,
                reason=self._reason(target, place),
            )
            self._taken[place.path] = self._taken.get(place.path, 0) + disk.size_bytes
        return chosen

    def best(self, size_bytes: int) -> Location | None:
        """The place with the most space left among those with room; unknown space comes last."""
        fitting = [each for each in self.locations if self._has_room(each, size_bytes)]
        return min(fitting, key=self._rank, default=None)

    def _left(self, location: Location) -> int | None:
        left = location.left_bytes
        return None if left is None else left - self._taken.get(location.path, 0)

    def _has_room(self, location: Location, size_bytes: int) -> bool:
        left = self._left(location)
        return left is None or left >= size_bytes

    def _rank(self, location: Location) -> tuple[bool, int, str]:
        left = self._left(location)
        return left is None, -(left or 0), location.path.lower()

    def _reason(self, target: str, place: Location) -> str:
        left = self._left(place)
        space = "free space not known" if left is None else f"{_gib(left)} free"
        others = len(self.locations) - 1
        among = f", the best of {others + 1} places of {target}" if others else f" of {target}"
        return f"{space}{among}"


def _unmapped(disk: DiskNeed) -> str:
    if not disk.classification:
        return "the disk is on storage without a classification"
    return f"{disk.classification} is not mapped"


def _default(disk: DiskNeed, target: str, why: str) -> DiskChoice:
    return DiskChoice(
        file_name=disk.file_name,
        size_bytes=disk.size_bytes,
        classification=disk.classification,
        target_classification=target,
        location="",
        reason=f"the host's default path: {why}",
    )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIBIBYTE:.1f} GiB"
