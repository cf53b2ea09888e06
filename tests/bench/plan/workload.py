"""The reference plan: machines with five actions each, in groups, on hosts with six slots."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

HOSTS = 10
GROUPS = 5
ACTIONS = 5
SLOTS = 6
SEED = 7
MEDIAN_SECONDS = 0.2
SIGMA = 0.5


@dataclass(frozen=True)
class Machine:
    """A virtual machine of the plan.

    Attributes:
        number: From 0, over the plan.
        host: 0 to HOSTS - 1.
        group: 0 to GROUPS - 1.
        seconds: How long each of its actions takes.
        expected_seconds: What a forecast says of each: wrong by a factor of the same spread.
    """

    number: int
    host: int
    group: int
    seconds: tuple[float, ...]
    expected_seconds: tuple[float, ...]

    def rest(self, action: int) -> float:
        """What the forecast says of this action and all after it."""
        return sum(self.expected_seconds[action:])


def make_machines(count: int, seed: int = SEED) -> list[Machine]:
    """The plan's machines: hosts balanced over the plan, uneven within a group."""
    lengths, errors = random.Random(seed), random.Random(f"forecast {seed}")
    hosts = [number % HOSTS for number in range(count)]
    lengths.shuffle(hosts)
    made = []
    for number, host in enumerate(hosts):
        seconds = tuple(
            round(lengths.lognormvariate(math.log(MEDIAN_SECONDS), SIGMA), 3)
            for _ in range(ACTIONS)
        )
        expected = tuple(round(one * errors.lognormvariate(0, SIGMA), 3) for one in seconds)
        made.append(Machine(number, host, number * GROUPS // count, seconds, expected))
    return made


def ideal_seconds(machines: Sequence[Machine]) -> float:
    """What a scheduler without any cost takes that knows how long everything takes.

    Group after group; in each the slowest host's list schedule, longest remaining chain first.
    """
    total = 0.0
    for group in range(GROUPS):
        by_host: dict[int, list[tuple[float, ...]]] = {}
        for machine in machines:
            if machine.group == group:
                by_host.setdefault(machine.host, []).append(machine.seconds)
        total += max((list_schedule(chains) for chains in by_host.values()), default=0.0)
    return total


def list_schedule(chains: Sequence[tuple[float, ...]], slots: int = SLOTS) -> float:
    """How long chains take on one host when a free slot goes to the longest remaining one."""
    ready = [(-sum(chain), number, 0) for number, chain in enumerate(chains)]
    heapq.heapify(ready)
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < slots:
            _, number, action = heapq.heappop(ready)
            heapq.heappush(running, (now + chains[number][action], number, action))
        now, number, action = heapq.heappop(running)
        rest = chains[number][action + 1 :]
        if rest:
            heapq.heappush(ready, (-sum(rest), number, action + 1))
    return now


def host_name(host: int) -> str:
    return f"hv{host}.bench.test"


def machine_id(count: int, number: int) -> UUID:
    """An id that says which machine of how many it is."""
    return UUID(int=count << 64 | number)


def which_machine(vm_id: str) -> tuple[int, int]:
    """Count and number of `machine_id`."""
    return UUID(vm_id).int >> 64, UUID(vm_id).int & 0xFFFFFFFF
