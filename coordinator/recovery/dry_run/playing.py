"""A run played through as the engine would do it, in no time: pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from coordinator.jobs.rules import gate_of, members_of, urgencies
from coordinator.jobs.steps import Graph, StepKind, StepSpec

ROOT = ""


@dataclass(eq=False)
class PlayedStep:
    """A step of a run that is played.

    Attributes:
        job: Key of the machine's job; empty for the plan's own steps.
        number: Its place among all steps of the run.
        urgency: Seconds of the longest path from here to the end of its job.
        ready: When nothing but a place at its host was missing; seconds after the beginning of
            the run.
        begins: The same.
        ends: The same.
        told: When what waits for it may begin; not before its end.
        cause: What it waited for last; None: it could begin at once.
        waited_for_slot: That was a place at its host.
        ended_by: Of a GROUP step: the member's step that ended it; None: nothing was left to do.
    """

    job: str
    spec: StepSpec
    number: int
    urgency: float
    ready: float = 0.0
    begins: float = 0.0
    ends: float = 0.0
    told: float = 0.0
    cause: Mark | None = None
    waited_for_slot: bool = False
    ended_by: PlayedStep | None = None
    # How much must happen before it can begin.
    waits: int = 0
    # Of a GROUP step: how many steps of its members are behind its gate.
    members_left: int = 0
    begun: bool = False


@dataclass(frozen=True)
class Mark:
    """The end of a step, or else its beginning."""

    step: PlayedStep
    end: bool


@dataclass
class _Slot:
    """The places at one host, who waits for one, and who gave one back last."""

    free: int
    waiting: list[tuple[float, int]] = field(default_factory=list)
    freed_by: PlayedStep | None = None


class Lengths(Protocol):
    """How long things take in one play; asked once for each step."""

    def seconds(self, step: StepSpec) -> float:
        """From when its provider gets a step until it has ended."""

    def handing_over_seconds(self, step: StepSpec) -> float:
        """From its end until what waits for it gets to its provider."""


class ExpectedLengths:
    """Every step takes what is expected, and nothing is lost between them."""

    def seconds(self, step: StepSpec) -> float:
        return step.expected_seconds

    def handing_over_seconds(self, step: StepSpec) -> float:
        del step
        return 0.0


class Play:
    """One run, played to its end.

    Args:
        graph: Of a plan's run or of one machine's job. What is begun first goes by the durations
            that its steps expect.
        slots_per_host: How many commands a host works on at once.
        lengths: How long everything takes this time.
    """

    def __init__(self, graph: Graph, slots_per_host: int, lengths: Lengths | None = None) -> None:
        self._lengths = lengths or ExpectedLengths()
        self._steps: list[PlayedStep] = []
        self._by_key: dict[tuple[str, str], PlayedStep] = {}
        self._after: defaultdict[PlayedStep, list[PlayedStep]] = defaultdict(list)
        self._behind: defaultdict[PlayedStep, list[PlayedStep]] = defaultdict(list)
        self._counted_by: defaultdict[PlayedStep, list[PlayedStep]] = defaultdict(list)
        self._slots: defaultdict[str, _Slot] = defaultdict(lambda: _Slot(slots_per_host))
        self._wanted: dict[str, None] = {}
        # When steps end, and when others are told of it: time, number, told.
        self._events: list[tuple[float, int, bool]] = []
        self._add(ROOT, graph.steps)
        for child in graph.children:
            if not child.skipped_reason:
                self._add(child.key, child.graph.steps)
        self._open_gates(graph)

    def to_the_end(self) -> list[PlayedStep]:
        """All steps with their times, in the order in which they were given."""
        for step in [step for step in self._steps if not step.waits]:
            self._ready(step, 0.0, None)
        self._give_places(0.0)
        while self._events:
            now, number, told = heapq.heappop(self._events)
            if told:
                self._tell(self._steps[number], now)
            else:
                self._end(self._steps[number], now)
            if not self._events or self._events[0][0] > now:
                # What becomes possible at the same moment is weighed together.
                self._give_places(now)
        return self._steps

    def _add(self, job: str, steps: tuple[StepSpec, ...]) -> None:
        done = [step for step in steps if not step.undoes]
        urgency = urgencies(done)
        for spec in done:
            step = PlayedStep(job, spec, len(self._steps), urgency[spec.key])
            self._steps.append(step)
            self._by_key[job, spec.key] = step
        for spec in done:
            step = self._by_key[job, spec.key]
            for key in set(spec.after):
                self._after[self._by_key[job, key]].append(step)
                step.waits += 1

    def _open_gates(self, graph: Graph) -> None:
        """Joins GROUP steps with what is behind their gates."""
        of_job: defaultdict[str, list[PlayedStep]] = defaultdict(list)
        for step in self._steps:
            of_job[step.job].append(step)
        for spec in graph.steps:
            if spec.kind is not StepKind.GROUP:
                continue
            group, gate = self._by_key[ROOT, spec.key], gate_of(spec.inputs)
            for member in members_of(spec.inputs):
                for step in of_job[member]:
                    gated = bool(step.spec.gate) and gate in {"", step.spec.gate}
                    step.waits += gated
                    if gated:
                        self._behind[group].append(step)
                    if gated or not gate:
                        self._counted_by[step].append(group)
                        group.members_left += 1

    def _ready(self, step: PlayedStep, now: float, cause: Mark | None) -> None:
        """Nothing but a place at its host is missing."""
        step.cause, step.ready = cause, now
        if not step.spec.slot:
            self._begin(step, now)
            return
        slot = self._slots[step.spec.slot]
        heapq.heappush(slot.waiting, (-step.urgency, step.number))
        self._wanted[step.spec.slot] = None

    def _give_places(self, now: float) -> None:
        wanted, self._wanted = self._wanted, {}
        for slot in (self._slots[name] for name in wanted):
            while slot.free and slot.waiting:
                slot.free -= 1
                step = self._steps[heapq.heappop(slot.waiting)[1]]
                if step.ready < now and slot.freed_by is not None:
                    step.cause = Mark(slot.freed_by, end=True)
                    step.waited_for_slot = True
                self._begin(step, now)

    def _begin(self, step: PlayedStep, now: float) -> None:
        step.begins, step.begun = now, True
        for member in self._behind[step]:
            self._less(member, now, Mark(step, end=False))
        if step.spec.kind is not StepKind.GROUP:
            seconds = self._lengths.seconds(step.spec)
            heapq.heappush(self._events, (now + seconds, step.number, False))
        elif not step.members_left:
            heapq.heappush(self._events, (now, step.number, False))

    def _end(self, step: PlayedStep, now: float) -> None:
        """Its place is free at once; the engine hears of it a little later."""
        step.ends = now
        self._free(step)
        later = self._lengths.handing_over_seconds(step.spec)
        if later:
            heapq.heappush(self._events, (now + later, step.number, True))
        else:
            self._tell(step, now)

    def _tell(self, step: PlayedStep, now: float) -> None:
        step.told = now
        for group in self._counted_by[step]:
            group.members_left -= 1
            if group.begun and not group.members_left:
                group.ended_by = step
                heapq.heappush(self._events, (now, group.number, False))
        for after in self._after[step]:
            self._less(after, now, Mark(step, end=True))

    def _free(self, step: PlayedStep) -> None:
        if step.spec.slot:
            slot = self._slots[step.spec.slot]
            slot.free += 1
            slot.freed_by = step
            self._wanted[step.spec.slot] = None

    def _less(self, step: PlayedStep, now: float, cause: Mark) -> None:
        step.waits -= 1
        if not step.waits:
            self._ready(step, now, cause)
