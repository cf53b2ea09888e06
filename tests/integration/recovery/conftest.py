"""Two sites with protected machines, without providers or hosts."""

from __future__ import annotations

import pytest

from tests.integration.recovery.plan_stage import PlanStage, make_stage


@pytest.fixture
def stage(db: None) -> PlanStage:
    return make_stage()
