"""What the engine may call of this family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.protection.from_vmm import services

TASKS: Mapping[str, Callable[..., None]] = {services.ANSWER_TASK: services.answer_vmm_requests}

PERIODIC: Mapping[str, timedelta] = {services.ANSWER_TASK: services.RETRY_EVERY}
