"""Tasks and steps of a run, one after the other as they are added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from coordinator.jobs.steps import StepSpec, TaskSpec


@dataclass
class Sequence:
    """What a run is so far.

    Attributes:
        tasks: In order.
        steps: In order.
        last: Keys of the steps that the next one waits for.
    """

    tasks: list[TaskSpec] = field(default_factory=list)
    steps: list[StepSpec] = field(default_factory=list)
    last: tuple[str, ...] = ()

    def add_task(self, name: str, friendly_name: str, skipped_reason: str = "") -> None:
        """The next task; one without steps says why."""
        self.tasks.append(TaskSpec(name, friendly_name, skipped_reason))

    def then(self, step: StepSpec) -> None:
        """The next step; it comes after all those before."""
        self.steps.append(replace(step, after=self.last))
        self.last = (step.key,)

    def then_all(self, steps: Iterable[StepSpec]) -> None:
        """Steps with an order of their own; the next one waits for all of them."""
        added = list(steps)
        awaited = {key for step in added for key in step.after}
        for step in added:
            self.steps.append(replace(step, after=step.after or self.last))
        if added:
            self.last = tuple(step.key for step in added if step.key not in awaited)
