"""Saying of steps that their command waits for a slot: nobody writes that down, it is so or not."""

from __future__ import annotations

from collections.abc import Iterable

from coordinator.jobs.models import Command, Step
from coordinator.jobs.states import CommandState, StepState

HOST_SLOT = "host:"


def tell_waiting_steps(steps: Iterable[Step]) -> None:
    """Gives running steps whose command no provider has been sent yet the activity that says so.

    Args:
        steps: Read, to be shown; of those in memory only the activity is changed.
    """
    running = {step.id: step for step in steps if step.slot and step.state == StepState.IN_PROGRESS}
    if not running:
        return
    waiting = Command.objects.filter(step_id__in=list(running), state=CommandState.PENDING)
    for step_id in waiting.values_list("step_id", flat=True):
        step = running[step_id]
        step.activity = step.activity or f"Waits for a slot on {_place(step.slot)}"


def _place(slot: str) -> str:
    if slot.startswith(HOST_SLOT):
        return f"host {slot.removeprefix(HOST_SLOT)}"
    return slot
