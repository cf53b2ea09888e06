"""What a save changed, in words, and the stored form of plans."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.changes import MOST_TOLD, changes, told
from coordinator.recovery.plans.documents import read_stored_groups, write_groups
from coordinator.recovery.plans.records import (
    Action,
    ActionRule,
    FailoverType,
    GoneItem,
    GroupRecord,
    GroupType,
    ManualAction,
    ScriptAction,
)
from tests.unit.recovery.plans.drafts_for_tests import boot, manual, read, script

pytestmark = pytest.mark.spec("RP-2")

NAMES = {each: f"vm-{each}" for each in "abcdef"}


def words(before: tuple[GroupRecord, ...], after: tuple[GroupRecord, ...]) -> list[str]:
    return [str(change) for change in changes(before, after, NAMES)]


def test_nothing_is_told_of_a_save_that_changes_nothing() -> None:
    plan = read([boot("a", "b", start=[script(), manual()]), boot("c")])
    assert words(plan, plan) == []


def test_a_new_plan_tells_where_its_machines_are() -> None:
    assert words((), read([boot("a"), boot("b")])) == [
        "vm-a: put into group 1",
        "vm-b: put into group 2",
    ]


def test_machines_that_come_go_and_move_are_told() -> None:
    before = read([boot("a", "b"), boot("c")])
    assert words(before, read([boot("a", "c"), boot("d")])) == [
        "vm-c: moved from group 2 to group 1",
        "vm-d: put into group 2",
        "vm-b: taken out",
    ]


def test_what_was_left_out_is_told_when_it_is_taken_out() -> None:
    plan = read([boot("a")])
    before = (*plan[:2], replace(plan[2], gone=(GoneItem("old", "id-old"),)))
    assert words(before, plan) == ["old: taken out; it is not protected"]
    assert words(before, before) == []


def test_actions_that_come_go_change_and_trade_places_are_told() -> None:
    before = read([boot("a", start=[script("One"), manual("Two"), manual("Three")])])
    after = read(
        [boot("a", start=[manual("Two"), script("One", timeout=5), script("Four")])],
    )
    path = "(RPScripts\\Start.ps1 on the Recovery side)"
    assert words(before, after) == [
        f'Script "One" {path}: changed before group 1',
        f'Script "Four" {path}: added before group 1',
        'Manual action "Three": taken away before group 1',
        "The order of the actions: changed before group 1",
    ]


def test_a_job_tells_so_many_changes_and_how_many_more_there_are() -> None:
    item_ids = [str(number) for number in range(MOST_TOLD + 3)]
    lines = told(changes((), read([boot(*item_ids)]), {}))
    assert len(lines) == MOST_TOLD + 1
    assert lines["more changes"] == "3"


def test_several_changes_of_one_thing_are_told_together() -> None:
    before = read([boot("a", start=[manual()], end=[manual()])])
    lines = told(changes(before, read([boot("a")]), NAMES))
    assert lines == {'Manual action "Check"': "taken away before group 1; taken away after group 1"}


TYPES = st.lists(st.sampled_from(FailoverType), min_size=1, unique=True).map(tuple)
DIRECTIONS = st.lists(st.sampled_from(FailoverDirection), min_size=1, unique=True).map(tuple)
RULES = st.none() | st.sampled_from(ActionRule)
ACTIONS: st.SearchStrategy[Action] = st.one_of(
    st.builds(
        ScriptAction,
        name=st.text(min_size=1),
        failover_types=TYPES,
        failover_directions=DIRECTIONS,
        failure_rule=RULES,
        side=st.sampled_from(ActiveLocation),
        path=st.text(min_size=1),
        time_limit_seconds=st.integers(1, 600),
    ),
    st.builds(
        ManualAction,
        name=st.text(min_size=1),
        failover_types=TYPES,
        failover_directions=DIRECTIONS,
        failure_rule=RULES,
        instructions=st.text(),
        time_limit_seconds=st.none() | st.integers(1, 99999),
    ),
)
PLACES = st.lists(ACTIONS, max_size=3).map(tuple)


@given(PLACES, PLACES, st.lists(st.tuples(PLACES, PLACES), max_size=4))
def test_what_is_stored_is_read_as_it_was(
    start: tuple[Action, ...], end: tuple[Action, ...], boots: list[tuple[tuple[Action, ...], ...]]
) -> None:
    groups = (
        GroupRecord(type=GroupType.SHUTDOWN, number=0, start_actions=start, end_actions=end),
        GroupRecord(type=GroupType.FAILOVER, number=0),
        *(
            GroupRecord(type=GroupType.BOOT, number=number, start_actions=before, end_actions=after)
            for number, (before, after) in enumerate(boots, start=1)
        ),
    )
    assert read_stored_groups(json.loads(json.dumps(write_groups(groups)))) == groups
