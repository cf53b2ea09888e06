"""The generations of Windows Server that hosts run, and what Hyper-V Replica can do on each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Generation(StrEnum):
    WS2012 = "2012"
    WS2012_R2 = "2012 R2"
    WS2016 = "2016"
    WS2019 = "2019"
    WS2022 = "2022"
    WS2025 = "2025"


@dataclass(frozen=True)
class GenerationFacts:
    """What a host of a generation says of itself, and the limits of its Hyper-V Replica.

    ``order`` grows with age turned round: a replica server must not be older than its primary.
    """

    operating_system: str
    os_version: str
    order: int
    frequencies_seconds: tuple[int, ...] = (30, 300, 900)
    longest_history: int = 24


FACTS: dict[Generation, GenerationFacts] = {
    Generation.WS2012: GenerationFacts(
        "Microsoft Windows Server 2012 Datacenter", "6.2.9200", 0, (300,), 15
    ),
    Generation.WS2012_R2: GenerationFacts(
        "Microsoft Windows Server 2012 R2 Datacenter", "6.3.9600", 1
    ),
    Generation.WS2016: GenerationFacts(
        "Microsoft Windows Server 2016 Datacenter", "10.0.14393.0", 2
    ),
    Generation.WS2019: GenerationFacts(
        "Microsoft Windows Server 2019 Datacenter", "10.0.17763.0", 3
    ),
    Generation.WS2022: GenerationFacts(
        "Microsoft Windows Server 2022 Datacenter", "10.0.20348.0", 4
    ),
    Generation.WS2025: GenerationFacts(
        "Microsoft Windows Server 2025 Datacenter", "10.0.26100.0", 5
    ),
}
