"""Sites whose commands take their time: the engine's own runs, in hours that pass in no time."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from opensiterecovery.provider.v1 import command_pb2

from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.protection.world import World

# Medians in seconds, by verb; all others look at something.
LENGTHS: Mapping[str, float] = {
    "start_test_failover": 12.0,
    "stop_test_failover": 8.0,
    "start_virtual_machine": 45.0,
    "run_plan_script": 20.0,
}
LOOK_SECONDS = 2.0
# Between a result and the command that follows it: a worker has to be free.
WORKER_SECONDS = 0.2


@dataclass
class TimedSites:
    """Both providers of a world, each command as long as lognormal chance says.

    Attributes:
        sigma: Of the logarithm: 0.5 is twice as long, or half, one time in six.
    """

    world: World
    chance: Random
    sigma: float
    _running: list[tuple[datetime, int, FakeProvider, command_pb2.Command]] = field(
        default_factory=list
    )
    _begun: int = 0

    def turn(self) -> None:
        """Until nothing is left to do; the world's clock goes from one end to the next."""
        while True:
            self.world.pass_(self._length(WORKER_SECONDS))
            busy = self.world.work()
            busy |= self._fetch(self.world.shanghai) or self._fetch(self.world.beijing)
            if busy:
                continue
            if not self._running:
                return
            self._end_next()

    def _fetch(self, provider: FakeProvider) -> bool:
        provider.now = self.world.now
        commands = provider.fetch()
        for command in commands:
            verb = command.WhichOneof("verb") or ""
            ends = self.world.now + timedelta(seconds=self._length(LENGTHS.get(verb, LOOK_SECONDS)))
            self._begun += 1
            heapq.heappush(self._running, (ends, self._begun, provider, command))
        return bool(commands)

    def _end_next(self) -> None:
        ends, _, provider, command = heapq.heappop(self._running)
        self.world.now = max(self.world.now, ends)
        provider.answer(command, self.world.now, self.world.hyperv.answer)

    def _length(self, median_seconds: float) -> float:
        return median_seconds * self.chance.lognormvariate(0, self.sigma)
