"""osr plan: a plan made, changed, exported, brought back and deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from coordinator.protection.models import ProtectedItem
from coordinator.recovery.models import RecoveryPlan
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, make_machine, pair, protect

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("RP-1"),
    pytest.mark.usefixtures("machines"),
]


@pytest.fixture
def machines(sites: Sites, engine: ScriptedEngine) -> list[ProtectedItem]:
    del engine
    now = timezone.now()
    pairing = pair(sites, now)
    names = ("db-1", "app-1", "app-2", "web-1", "web-2")
    return [protect(pairing, make_machine(sites.gold1, name), now) for name in names]


def run(program: Program, *arguments: str) -> str:
    done = program.osr("plan", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def groups(program: Program, name: str = "Shop") -> list[list[str]]:
    shown: dict[str, Any] = json.loads(run(program, "show", name, "--json"))
    return [
        [machine["friendlyName"] for machine in group["replicationProtectedItems"]]
        for group in shown["properties"]["groups"][2:]
    ]


def test_a_plan_is_made_of_patterns_and_shown_as_a_tree(program: Program) -> None:
    shown = run(
        program, "create", "Shop", "--group", "db-*", "--group", "app-*", "--group", "web-1,web-2"
    )
    assert "Shop: VMM-Shanghai to VMM-Beijing, revision 1" in shown
    assert "Group 2: start 2 machines" in shown
    assert groups(program) == [["db-1"], ["app-1", "app-2"], ["web-1", "web-2"]]
    line = run(program, "list").splitlines()[1].split()
    assert line[:6] == ["Shop", "VMM-Shanghai", "VMM-Beijing", "3", "5", "0"]
    again = program.osr("plan", "create", "shop", "--group", "db-*")
    assert again.returncode == 4
    assert "already" in again.stderr


def test_machines_groups_and_actions_are_moved_about(program: Program) -> None:
    run(program, "create", "Shop", "--group", "db-1,app-*")
    run(program, "add", "Shop", "web-*", "--group", "2")
    assert groups(program) == [["db-1", "app-1", "app-2"], ["web-1", "web-2"]]
    run(program, "group", "add", "Shop", "db-1", "--at", "1")
    run(program, "move", "Shop", "app-2", "--group", "3")
    assert groups(program) == [["db-1"], ["app-1"], ["web-1", "web-2", "app-2"]]
    run(program, "remove", "Shop", "web-2")
    run(program, "group", "move", "Shop", "3", "--to", "2")
    run(program, "group", "remove", "Shop", "3", "--into", "1")
    assert groups(program) == [["db-1", "app-1"], ["web-1", "app-2"]]
    place = ("--group", "2")
    script = ("--script", "RPScripts\\Start.ps1", "--time-limit", "300", "--run", "planned")
    run(program, "action", "add", "Shop", "Start", *place, *script, "--on-failure", "Continue")
    run(program, "action", "add", "Shop", "Look", *place, "--manual", "Look at it.")
    run(program, "action", "move", "Shop", "Look", *place, "--position", "1")
    shown = run(program, "show", "Shop")
    assert "before: Look: manual: Look at it. (test/planned/unplanned; there)" in shown
    assert (
        "before: Start: script \\RPScripts\\Start.ps1 on the Recovery server"
        " (planned; there, at most PT5M, on failure continue)"
    ) in shown
    assert shown.index("Look:") < shown.index("Start:") < shown.index("Group 2")
    run(program, "action", "remove", "Shop", "Look", *place)
    assert "Look:" not in run(program, "show", "Shop")
    refused = program.osr("plan", "action", "add", "Shop", "Bad", *place, "--script", "..\\x.ps1")
    assert refused.returncode == 4
    assert "RecoveryPlanScriptPathInvalid" in refused.stderr
    both = program.osr("plan", "action", "add", "Shop", "Bad", *place)
    assert both.returncode == 2
    last = program.osr("plan", "move", "Shop", "db-1", "app-1", "--group", "2")
    assert "RecoveryPlanGroupEmpty" in last.stderr


def test_a_plan_is_exported_cloned_brought_back_and_deleted(
    program: Program, tmp_path: Path
) -> None:
    run(program, "create", "Shop", "--group", "db-1", "--group", "app-*")
    place = ("--group", "shutdown", "--when", "after")
    run(program, "action", "add", "Shop", "Tell", *place, "--manual", "Tell the users.")
    file = tmp_path / "shop.json"
    run(program, "export", "Shop", str(file))
    assert json.loads(file.read_text())["groups"][2]["machines"] == ["db-1"]
    assert "Group 1" in run(program, "import", str(file), "--name", "Shop again")
    assert groups(program, "Shop again") == groups(program)
    run(program, "clone", "Shop", "Shop 50")
    run(program, "remove", "Shop 50", "app-1")
    told = run(program, "history", "Shop 50")
    assert "2 (now)" in told
    assert "app-1: taken out" in told
    run(program, "restore", "Shop 50", "1")
    assert groups(program, "Shop 50") == [["db-1"], ["app-1", "app-2"]]
    run(program, "remove", "Shop", "app-2")
    assert program.osr("plan", "import", str(file)).returncode == 4
    run(program, "import", str(file), "--replace")
    assert groups(program) == [["db-1"], ["app-1", "app-2"]]
    asked = program.osr("plan", "delete", "Shop", typed="no\n")
    assert asked.returncode == 4
    assert program.osr("plan", "delete", "Shop", typed="shop\n").returncode == 0
    names = RecoveryPlan.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["Shop 50", "Shop again"]


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_what_is_exported_and_imported_is_the_same_plan(
    program: Program, tmp_path: Path, suffix: str
) -> None:
    run(program, "create", "Shop", "--group", "db-1", "--group", "app-*")
    action = ("action", "add", "Shop")
    script = ("--script", "RPScripts\\Start.ps1", "--side", "Recovery", "--sha256", "5e" * 32)
    when = ("--time-limit", "00:05:00", "--on-failure", "Continue", "--way", "back")
    run(program, *action, "Start", "--group", "1", "--when", "after", *script, *when)
    run(
        program, *action, "告诉", "--group", "shutdown", "--manual", "先通知用户。", "--run", "test"
    )
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"
    run(program, "export", "Shop", str(first))
    run(program, "import", str(first), "--name", "Other")
    run(program, "export", "Other", str(second))
    text = first.read_text(encoding="utf-8")
    assert "告诉" in text
    assert second.read_text(encoding="utf-8") == text.replace("Shop", "Other")
    # And onto itself: there is nothing to save.
    revision = RecoveryPlan.objects.get(name="Shop").groups
    run(program, "import", str(first), "--replace")
    assert RecoveryPlan.objects.get(name="Shop").groups == revision


def test_whoever_ends_a_machine_s_protection_is_told_of_its_plans(program: Program) -> None:
    run(program, "create", "Shop", "--group", "db-1,app-1")
    done = program.osr("protect", "disable", "app-1", typed="app-1\n")
    assert done.returncode == 0, done.stderr
    assert "These recovery plans leave it out from then on: Shop." in done.stderr
    assert "app-1: not protected, left out" in run(program, "show", "Shop")
    assert groups(program) == [["db-1"]]
