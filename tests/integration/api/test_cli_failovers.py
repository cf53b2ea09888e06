"""osr failover: without the source, another point, back again; and what a machine allows."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem, RecoveryPoint
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now)
    RecoveryPoint.objects.create(item=made, point_id="point-1", time=now, type="CrashConsistent")
    return made


@pytest.mark.spec("FO-3", "FO-4")
def test_a_machine_is_failed_over_without_its_site_moved_to_a_point_and_brought_back(
    program: Program, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    asked = program.osr("failover", "unplanned", "GoldVM1")
    assert asked.returncode == 4
    assert "are lost" in asked.stdout + asked.stderr
    assert not Job.objects.exists()

    over = program.osr("failover", "unplanned", "GoldVM1", "--no-shut-down", "--yes")
    assert over.returncode == 0, over.stderr
    assert "Failover of GoldVM1 succeeded" in over.stdout
    shown = program.osr("failover", "points", "GoldVM1")
    assert "point-1" in shown.stdout
    moved = program.osr("failover", "change-point", "GoldVM1", "--point", "point-1", "--yes")
    assert moved.returncode == 0, moved.stderr
    missing = program.osr("failover", "change-point", "GoldVM1", "--point", "gone", "--yes")
    assert missing.returncode == 5
    assert "osr failover points" in missing.stderr
    back = program.osr("failover", "cancel", "GoldVM1", "--yes")
    assert back.returncode == 0, back.stderr
    item.refresh_from_db()
    assert item.state == "Protected"


@pytest.mark.spec("FO-6")
def test_what_a_machine_allows_is_listed_with_why_not(
    program: Program, item: ProtectedItem
) -> None:
    told = program.osr("failover", "operations", "GoldVM1")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.replace("\n", " ")
    assert "UnplannedFailover: allowed" in lines
    assert "Commit: The machine replicates and has not been failed over. Fail over first." in lines
    listed = json.loads(program.osr("failover", "operations", "GoldVM1", "--json").stdout)
    assert {"name", "allowed", "reason", "recommendedAction"} == set(listed[0])
