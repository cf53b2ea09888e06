"""Pure rules of the engine that other domains need, to foresee what it will do."""

from __future__ import annotations

from coordinator.jobs.family_graph import all_steps, gate_of, members_of
from coordinator.jobs.urgency import urgencies

__all__ = ["all_steps", "gate_of", "members_of", "urgencies"]
