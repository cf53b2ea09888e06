"""What a recovery plan may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import RefusedError
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.drafts import GroupDraft, MachineFacts, PlanLimits
from coordinator.recovery.plans.records import (
    ActionPosition,
    ActionRule,
    FailoverType,
    GroupType,
    PlanRecord,
    ScriptAction,
)
from coordinator.recovery.plans.rules import read_groups
from tests.unit.recovery.plans.drafts_for_tests import (
    PAIR,
    boot,
    known,
    machine,
    manual,
    read,
    script,
)

pytestmark = pytest.mark.spec("RP-1")


def refused(
    drafts: Sequence[GroupDraft],
    machines: dict[str, MachineFacts] | None = None,
    limits: PlanLimits | None = None,
) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        read(drafts, machines, limits)
    failure = error.value.failure
    assert failure.code
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    assert error.value.field is not None
    return error.value


def test_groups_are_numbered_in_the_order_they_were_given() -> None:
    groups = read([boot("a", "b"), GroupDraft(type="Shutdown"), boot("c")])
    assert [(group.type, group.number, group.item_ids) for group in groups] == [
        (GroupType.SHUTDOWN, 0, ()),
        (GroupType.FAILOVER, 0, ()),
        (GroupType.BOOT, 1, ("a", "b")),
        (GroupType.BOOT, 2, ("c",)),
    ]


def test_words_of_the_api_are_read_whatever_their_case() -> None:
    groups = read([GroupDraft(type="SHUTDOWN"), GroupDraft(type="boot", item_ids=("a",))])
    assert groups[2].item_ids == ("a",)


@pytest.mark.parametrize(
    ("drafts", "code", "field"),
    [
        ([], "RecoveryPlanWithoutMachines", "properties.groups"),
        ([boot(start=[manual()])], "RecoveryPlanWithoutMachines", "properties.groups"),
        ([boot("a"), boot()], "RecoveryPlanGroupEmpty", "properties.groups[1]"),
        (
            [boot("a", "a")],
            "RecoveryPlanMachineTwice",
            "properties.groups[0].replicationProtectedItems[1]",
        ),
        (
            [boot("a"), boot("b", "a")],
            "RecoveryPlanMachineTwice",
            "properties.groups[1].replicationProtectedItems[1]",
        ),
        (
            [boot("a"), GroupDraft(type="Start")],
            "RecoveryPlanGroupTypeUnknown",
            "properties.groups[1].groupType",
        ),
        (
            [GroupDraft(type="Failover"), boot("a"), GroupDraft(type="failover")],
            "RecoveryPlanPhaseTwice",
            "properties.groups[2].groupType",
        ),
        (
            [GroupDraft(type="Shutdown", item_ids=("a",)), boot("b")],
            "RecoveryPlanPhaseWithMachines",
            "properties.groups[0].replicationProtectedItems",
        ),
        (
            [boot("a")] + [boot(f"b{n}") for n in range(7)],
            "RecoveryPlanTooManyGroups",
            "properties.groups",
        ),
    ],
)
def test_a_wrong_plan_is_refused_naming_the_field(
    drafts: Sequence[GroupDraft], code: str, field: str
) -> None:
    error = refused(drafts)
    assert error.failure.code == code
    assert error.field == field


def test_a_setting_raises_the_number_of_groups() -> None:
    drafts = [boot(f"a{number}") for number in range(9)]
    assert refused(drafts).failure.code == "RecoveryPlanTooManyGroups"
    assert len(read(drafts, limits=PlanLimits(groups=9))) == 11


@pytest.mark.spec("RP-6")
def test_a_plan_has_two_thousand_machines_and_not_one_more() -> None:
    names = [f"a{number}" for number in range(2001)]
    assert len(read([boot(*names[:2000])])[2].item_ids) == 2000
    error = refused([boot(*names[:1000]), boot(*names[1000:])])
    assert error.failure.code == "RecoveryPlanTooManyMachines"
    assert "2001" in error.failure.message


def test_a_machine_of_another_pair_is_refused() -> None:
    machines = known(["a"]) | {"b": machine("b", pair=("f2", "f1"))}
    error = refused([boot("a", "b")], machines)
    assert error.failure.code == "RecoveryPlanMachineOfAnotherPair"
    assert error.failure.message == "vm-b does not replicate from VMM1 to VMM2."


@pytest.mark.spec("SS-1")
def test_one_server_may_be_both_ends_of_a_plan() -> None:
    pair = replace(PAIR, recovery_id="f1", recovery_name="VMM1")
    machines = {"a": machine("a", pair=("f1", "f1"))}
    groups = read_groups([boot("a")], pair, machines, PlanLimits())
    assert groups[2].item_ids == ("a",)


@pytest.mark.parametrize("machines", [{}, {"a": machine("a", leaving=True)}])
def test_a_machine_that_is_not_protected_is_refused(machines: dict[str, MachineFacts]) -> None:
    error = refused([boot("a")], machines)
    assert error.failure.code == "RecoveryPlanMachineGone"
    assert error.field == "properties.groups[0].replicationProtectedItems[0]"


def test_a_group_of_actions_alone_is_a_group() -> None:
    groups = read([boot(end=[manual()]), boot("a")])
    assert [group.number for group in groups] == [0, 0, 1, 2]
    assert groups[2].end_actions[0].name == "Check"


def test_phases_have_actions_before_and_after_them() -> None:
    groups = read(
        [
            GroupDraft(
                type="Failover",
                start_actions=(script("Before"),),
                end_actions=(manual("After"), script("And then")),
            ),
            boot("a"),
        ]
    )
    plan = PlanRecord(
        id="p",
        vault_id="v",
        name="App",
        revision=1,
        primary_fabric_id="f1",
        recovery_fabric_id="f2",
        shutdown=groups[0],
        failover=groups[1],
        groups=groups[2:],
    )
    assert [(placed.key, placed.action.name) for placed in plan.actions()] == [
        ("failover/start/1", "Before"),
        ("failover/end/1", "After"),
        ("failover/end/2", "And then"),
    ]
    assert plan.failover.actions(ActionPosition.START)[0].name == "Before"
    assert plan.item_ids == ("a",)


@pytest.mark.spec("RP-3")
@pytest.mark.parametrize(
    ("given_rule", "failover_type", "rule"),
    [
        (None, FailoverType.PLANNED, ActionRule.STOP),
        (None, FailoverType.TEST, ActionRule.STOP),
        (None, FailoverType.UNPLANNED, ActionRule.CONTINUE),
        ("Stop", FailoverType.UNPLANNED, ActionRule.STOP),
        ("continue", FailoverType.PLANNED, ActionRule.CONTINUE),
    ],
)
def test_a_failing_action_stops_a_plan_by_its_type_unless_the_action_says_otherwise(
    given_rule: str | None, failover_type: FailoverType, rule: ActionRule
) -> None:
    draft = script()
    groups = read([boot("a", start=[type(draft)(**{**vars(draft), "failure_rule": given_rule})])])
    assert groups[2].start_actions[0].rule(failover_type) is rule


@pytest.mark.spec("RP-2")
def test_an_action_is_part_of_the_runs_it_names() -> None:
    (action,) = read([boot("a", start=[script()])])[2].start_actions
    assert isinstance(action, ScriptAction)
    assert (action.side, action.time_limit_seconds) == (ActiveLocation.RECOVERY, 600)
    way, back = FailoverDirection
    assert action.applies(FailoverType.PLANNED, way)
    assert not action.applies(FailoverType.PLANNED, back)
    assert not action.applies(FailoverType.TEST, way)


@given(
    st.lists(
        st.lists(st.integers(0, 12), max_size=5),
        max_size=9,
    )
)
def test_what_is_accepted_has_every_machine_once_and_no_empty_group(
    groups: list[list[int]],
) -> None:
    drafts = [boot(*(str(each) for each in members)) for members in groups]
    flat = [each for members in groups for each in members]
    fits = bool(flat) and all(groups) and len(set(flat)) == len(flat) and len(groups) <= 7
    try:
        found = read(drafts)
    except RefusedError:
        assert not fits
        return
    assert fits
    boots = found[2:]
    assert [group.number for group in boots] == list(range(1, len(groups) + 1))
    assert [[int(each) for each in group.item_ids] for group in boots] == groups
