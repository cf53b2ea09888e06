"""Changing a plan's groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.plan_edits import (
    AFTER,
    BEFORE,
    MACHINES,
    Groups,
    add_action,
    add_group,
    boot_groups,
    machine_name,
    machines_of,
    matching,
    move_group,
    put_machines,
    remove_group,
    take_action,
    take_machines,
)
from coordinator.cli.plan_files import read_plan_file
from coordinator.cli.plan_views import action_line, plan_tree

pytestmark = pytest.mark.spec("RP-1")


def machine(name: str) -> dict[str, str]:
    return {"id": f"/items/{name}", "friendlyName": name}


def boot(*names: str) -> dict[str, Any]:
    return {"groupType": "Boot", MACHINES: [machine(name) for name in names]}


def plan(*groups: tuple[str, ...]) -> Groups:
    phases: Groups = [{"groupType": kind, MACHINES: []} for kind in ("Shutdown", "Failover")]
    return [*phases, *(boot(*names) for names in groups)]


def names(groups: Groups) -> list[list[str]]:
    return [[machine_name(each) for each in machines_of(group)] for group in boot_groups(groups)]


def test_machines_are_put_into_a_group_and_leave_the_one_they_are_in() -> None:
    before = plan(("a", "b"), ("c",))
    assert names(put_machines(before, [machine("a"), machine("d")], 2)) == [["b"], ["c", "a", "d"]]
    assert names(before) == [["a", "b"], ["c"]]


def test_one_group_more_is_made_for_them() -> None:
    assert names(put_machines(plan(("a", "b")), [machine("b")], 2)) == [["a"], ["b"]]


@pytest.mark.parametrize("number", [0, 4, 9])
def test_a_group_that_is_not_there_is_said_to_be_not_there(number: int) -> None:
    with pytest.raises(CommandError) as error:
        put_machines(plan(("a",), ("b",)), [machine("a")], number)
    assert error.value.exit_code is ExitCode.NOT_FOUND
    assert "1 to 2" in error.value.possible_causes[0]


def test_machines_are_taken_out_whatever_the_case_of_their_ids() -> None:
    assert names(take_machines(plan(("a", "b"), ("c",)), [{"id": "/ITEMS/A"}])) == [["b"], ["c"]]


def test_groups_are_made_moved_and_removed() -> None:
    groups = plan(("a", "b"), ("c",))
    assert names(add_group(groups, [machine("b"), machine("d")], 1)) == [["b", "d"], ["a"], ["c"]]
    three = plan(("a",), ("b",), ("c",))
    assert names(move_group(three, 1, 3)) == [["b"], ["c"], ["a"]]
    assert names(move_group(three, 3, 1)) == [["c"], ["a"], ["b"]]
    assert names(remove_group(three, 2)) == [["a"], ["c"]]
    assert names(remove_group(three, 2, into=3)) == [["a"], ["c", "b"]]
    with pytest.raises(CommandError):
        remove_group(three, 2, into=2)
    with pytest.raises(CommandError):
        move_group(three, 1, 4)


def test_actions_are_put_and_taken_where_they_are_wanted() -> None:
    groups = add_action(plan(("a",)), "1", BEFORE, {"actionName": "One"})
    groups = add_action(groups, "1", BEFORE, {"actionName": "Two"}, 1)
    groups = add_action(groups, "failover", AFTER, {"actionName": "Three"})
    assert [each["actionName"] for each in boot_groups(groups)[0][BEFORE]] == ["Two", "One"]
    assert groups[1][AFTER] == [{"actionName": "Three"}]
    left, found = take_action(groups, "1", BEFORE, "two")
    assert found == {"actionName": "Two"}
    assert [each["actionName"] for each in boot_groups(left)[0][BEFORE]] == ["One"]
    with pytest.raises(CommandError) as error:
        take_action(groups, "1", AFTER, "One")
    assert error.value.exit_code is ExitCode.NOT_FOUND
    with pytest.raises(CommandError) as error:
        add_action(groups, "first", AFTER, {})
    assert error.value.exit_code is ExitCode.USAGE


def test_a_phase_that_the_plan_does_not_list_is_made_for_an_action() -> None:
    groups = add_action([boot("a")], "Shutdown", BEFORE, {"actionName": "One"})
    assert [group["groupType"] for group in groups] == ["Shutdown", "Boot"]


def test_names_and_patterns_mean_machines_each_once() -> None:
    machines = [machine(name) for name in ("web-2", "WEB-1", "db-1")]
    found = matching(["db-1", "web-*", "web-1"], machines, machine_name, "machine")
    assert [machine_name(each) for each in found] == ["db-1", "WEB-1", "web-2"]
    with pytest.raises(CommandError) as error:
        matching(["app-*"], machines, machine_name, "machine")
    assert "WEB-1" in error.value.recommended_action


@given(
    st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=4), min_size=1, max_size=4),
    st.sets(st.sampled_from("abcdefgh")),
    st.data(),
)
def test_no_machine_is_lost_or_doubled_by_moving(
    given_groups: list[set[str]], moved: set[str], data: st.DataObject
) -> None:
    seen: set[str] = set()
    rows = []
    for group in given_groups:
        rows.append(tuple(sorted(group - seen)))
        seen |= group
    number = data.draw(st.integers(1, len(rows) + 1))
    after = put_machines(plan(*rows), [machine(name) for name in sorted(moved)], number)
    flat = [name for group in names(after) for name in group]
    assert sorted(flat) == sorted(seen | moved)
    assert set(names(after)[number - 1]) >= moved


ACTION = {
    "actionName": "Start",
    "failoverTypes": ["PlannedFailover", "TestFailover"],
    "failoverDirections": ["PrimaryToRecovery"],
    "failureRule": "Continue",
    "customDetails": {
        "instanceType": "ScriptActionDetails",
        "path": "\\RPScripts\\Start.ps1",
        "timeout": "PT5M",
        "fabricLocation": "Recovery",
    },
}


def test_an_action_is_told_in_a_line() -> None:
    assert action_line(ACTION) == (
        "Start: script \\RPScripts\\Start.ps1 on the Recovery server"
        " (planned/test; there, at most PT5M, on failure continue)"
    )


def test_a_tree_names_fifty_machines_of_a_group_and_counts_the_others() -> None:
    groups = plan(tuple(f"vm-{number}" for number in range(60)))
    groups[2]["removedItems"] = [{"friendlyName": "old[1]"}]
    tree = plan_tree(
        {
            "properties": {
                "friendlyName": "App [x]",
                "primaryFabricFriendlyName": "S",
                "recoveryFabricFriendlyName": "B",
                "revision": 3,
                "groups": groups,
            }
        }
    )
    labels = [str(branch.label) for branch in tree.children[2].children]
    assert len(labels) == 52
    assert labels[50] == "and 10 more"
    assert "not protected" in labels[51]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "recovery plan 1"}', '{"format": "recovery plan 2"}', "\0"],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as error:
        read_plan_file(file, lambda _: [])
    assert error.value.exit_code is ExitCode.USAGE


def test_groups_of_a_file_that_are_no_groups_are_refused(tmp_path: Path) -> None:
    told = {"format": "recovery plan 1", "name": "a", "primaryServer": "s", "recoveryServer": "b"}
    file = tmp_path / "plan.json"
    for groups in ([5], [{"machines": ["a"]}], 5, [{"type": "Boot", "before": 5}]):
        file.write_text(json.dumps({**told, "groups": groups}), encoding="utf-8")
        with pytest.raises(CommandError) as error:
            read_plan_file(file, lambda _: [])
        assert error.value.exit_code is ExitCode.USAGE
