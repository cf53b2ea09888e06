"""Judges what happened at all sites of a lab, by their journals: did two copies ever run at once?

Everything here is a function of effects in order of time. A copy of a machine is one on a host:
copies of one machine have its id in common. A copy runs on production networks while it runs and
at least one of its adapters is connected to a switch; test virtual machines have ids of their own
and do not count, nor does a running machine that is connected to nothing.

Machines of the "quiet" sort, of which the journal does not tell when hosts start them, cannot be
judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from deploy.lab.site.effects import SITE_LOST_POWER, Effect

# What begins and what ends a copy's running; a paused guest answers nobody.
STARTS = frozenset({"vm.started", "vm.restored", "vm.resumed"})
STOPS = frozenset(
    {"vm.stopped", "vm.turned_off", "vm.saved", "vm.paused", "vm.removed", "failover.cancelled"}
)
MOVES = frozenset({"vm.migrated", "vm.failed_over_to_node"})
SITE_STOPS = frozenset({SITE_LOST_POWER, "site.booted", "site.shut_down"})


class Copy(NamedTuple):
    """A copy of a machine."""

    vm_id: str
    site: str
    host: str


@dataclass(frozen=True)
class Interval:
    """A copy ran on production networks from a moment to before another; None: it still does."""

    copy: Copy
    begins: datetime
    ends: datetime | None


@dataclass(frozen=True)
class DoubleRun:
    """Two copies of a machine that ran on production networks at once."""

    one: Copy
    other: Copy
    begins: datetime
    seconds: float


@dataclass
class _Standing:
    """How a copy stands while the journal is read."""

    running: bool = False
    test: bool = False
    switches: dict[str, str | None] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def owns(self) -> bool:
        return self.running and not self.test

    @property
    def in_production(self) -> bool:
        return self.owns and any(self.switches.values())


def running_intervals(
    effects: Iterable[Effect], *, test_switches: Iterable[str] = (), connected: bool = True
) -> list[Interval]:
    """When which copy ran on production networks.

    Args:
        effects: Of all sites, in order of time; power cuts are among them.
        test_switches: Names of switches that are none of production.
        connected: Only while it was connected to a network; else whenever it ran.

    Returns:
        In order of their beginning; one that has not ended has no end.
    """
    reading = _Reading(frozenset(test_switches), connected=connected)
    for effect in effects:
        reading.take(effect)
    return sorted(reading.finish(), key=lambda each: each.begins)


def double_runs(intervals: Iterable[Interval], until: datetime) -> list[DoubleRun]:
    """Every two intervals of different copies of one machine that overlap.

    Args:
        intervals: From `running_intervals`.
        until: Now: the end of those that have none.
    """
    by_machine: dict[str, list[Interval]] = {}
    for interval in intervals:
        by_machine.setdefault(interval.copy.vm_id, []).append(interval)
    found = []
    for of_one in by_machine.values():
        for index, one in enumerate(of_one):
            for other in of_one[index + 1 :]:
                begins = max(one.begins, other.begins)
                ends = min(one.ends or until, other.ends or until)
                if one.copy != other.copy and begins < ends:
                    seconds = (ends - begins).total_seconds()
                    found.append(DoubleRun(one.copy, other.copy, begins, seconds))
    return sorted(found, key=lambda each: each.begins)


def double_running_seconds(
    effects: Iterable[Effect], until: datetime, *, test_switches: Iterable[str] = ()
) -> float:
    """For how long any machine had two copies on production networks, in all. Source: SPEC FO-7."""
    intervals = running_intervals(effects, test_switches=test_switches)
    return sum(each.seconds for each in double_runs(intervals, until))


def owners(effects: Iterable[Effect]) -> dict[str, list[Copy]]:
    """The copies of each machine that run at the end of the journal, connected or not."""
    found: dict[str, list[Copy]] = {}
    for interval in running_intervals(effects, connected=False):
        running = found.setdefault(interval.copy.vm_id, [])
        if interval.ends is None:
            running.append(interval.copy)
    return found


def owners_wrong(effects: Iterable[Effect], expected: Mapping[str, str]) -> dict[str, list[Copy]]:
    """Machines that do not run exactly once, or not at the site whose they are.

    Args:
        effects: Of all sites, in order of time.
        expected: By machine the site where it has to run; "" where any will do.

    Returns:
        By machine the copies that run instead: none, several, or one elsewhere.
    """
    running = owners(effects)
    wrong = {}
    for vm_id, site in expected.items():
        copies = running.get(vm_id, [])
        if len(copies) != 1 or site not in {"", copies[0].site}:
            wrong[vm_id] = copies
    return wrong


def started_from_unknown_disks(effects: Sequence[Effect]) -> list[Effect]:
    """Failed-over copies that did not start with the disks their failover left them.

    What a failover leaves is the recovery point it went to; the first start after it has to find
    exactly that.
    """
    left: dict[tuple[str, str], Mapping[str, Any]] = {}
    wrong = []
    for effect in effects:
        place = (effect.host, effect.target)
        if effect.effect == "failover.started":
            left[place] = effect.details.get("digests", {})
        elif effect.effect == "failover.cancelled":
            left.pop(place, None)
        elif effect.effect == "vm.started" and place in left:
            expected = left.pop(place)
            found = effect.details.get("boot_digests")
            if found is not None and any(found.get(disk) != expected[disk] for disk in expected):
                wrong.append(effect)
    return wrong


def duplicate_effects(effects: Iterable[Effect]) -> int:
    """How many effects one command had on one target more than once."""
    seen = Counter(
        (effect.command_id, effect.effect, effect.site, effect.host, effect.target)
        for effect in effects
        if effect.command_id is not None
    )
    return sum(count - 1 for count in seen.values())


class _Reading:
    """Follows the journal, copy by copy."""

    def __init__(self, test_switches: frozenset[str], *, connected: bool) -> None:
        self._test_switches = test_switches
        self._connected = connected
        self._copies: dict[Copy, _Standing] = {}
        self._intervals: list[Interval] = []

    def take(self, effect: Effect) -> None:
        at = datetime.fromisoformat(effect.at)
        copy = Copy(effect.target, effect.site, effect.host)
        if effect.effect in STARTS:
            self._change(copy, at, lambda standing: self._start(standing, effect))
        elif effect.effect in STOPS:
            self._change(copy, at, _stop)
        elif effect.effect in MOVES:
            self._move(copy, at, effect)
        elif effect.effect.startswith("network_adapter."):
            self._change(copy, at, lambda standing: self._connect(standing, effect))
        elif effect.effect == "host.crashed":
            self._stop_all(at, lambda each: each.host == effect.target)
        elif effect.effect in SITE_STOPS:
            self._stop_all(at, lambda each: each.site == effect.site)

    def finish(self) -> list[Interval]:
        running = [
            Interval(copy, standing.since, None)
            for copy, standing in self._copies.items()
            if standing.since is not None
        ]
        return [*self._intervals, *running]

    def _change(self, copy: Copy, at: datetime, change: Callable[[_Standing], None]) -> None:
        standing = self._copies.setdefault(copy, _Standing())
        change(standing)
        counts = standing.in_production if self._connected else standing.owns
        if counts and standing.since is None:
            standing.since = at
        elif not counts and standing.since is not None:
            self._intervals.append(Interval(copy, standing.since, at))
            standing.since = None

    def _start(self, standing: _Standing, effect: Effect) -> None:
        standing.running = True
        if "switches" in effect.details:
            standing.test = bool(effect.details.get("test_vm"))
            standing.switches = {
                adapter: self._production(switch)
                for adapter, switch in effect.details["switches"].items()
            }

    def _connect(self, standing: _Standing, effect: Effect) -> None:
        switch = self._production(effect.details.get("switch"))
        standing.switches[effect.details["adapter"]] = switch

    def _production(self, switch: str | None) -> str | None:
        return None if switch in self._test_switches else switch

    def _move(self, copy: Copy, at: datetime, effect: Effect) -> None:
        before = copy._replace(host=str(effect.details.get("from", copy.host)))
        left = self._copies.get(before, _Standing())
        running = left.running
        self._change(before, at, _stop)
        self._change(copy, at, lambda standing: self._arrive(standing, left, effect, running))

    def _arrive(self, standing: _Standing, left: _Standing, effect: Effect, running: bool) -> None:
        self._start(standing, effect)
        standing.switches = standing.switches or dict(left.switches)
        standing.running = running

    def _stop_all(self, at: datetime, concerned: Callable[[Copy], bool]) -> None:
        for copy in [each for each in self._copies if concerned(each)]:
            self._change(copy, at, _stop)


def _stop(standing: _Standing) -> None:
    standing.running = False
