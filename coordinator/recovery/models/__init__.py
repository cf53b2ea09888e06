"""Tables of the recovery domain, a module for each family."""

from __future__ import annotations

from coordinator.recovery.models.drills import Drill, DrillNetwork
from coordinator.recovery.models.plans import PlanMember, PlanRevision, RecoveryPlan

__all__ = ["Drill", "DrillNetwork", "PlanMember", "PlanRevision", "RecoveryPlan"]
