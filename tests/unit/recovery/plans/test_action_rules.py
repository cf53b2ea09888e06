"""What an action of a recovery plan may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import RefusedError
from coordinator.recovery.plans.action_rules import read_action, read_actions, read_time_limit
from coordinator.recovery.plans.drafts import ActionDraft
from coordinator.recovery.plans.records import FailoverType, ManualAction, ScriptAction
from tests.unit.recovery.plans.drafts_for_tests import manual, script

pytestmark = pytest.mark.spec("RP-2")


def test_a_script_is_read() -> None:
    action = read_action(script(timeout="00:05:00", fabricLocation="primary"), "actions[0]")
    assert isinstance(action, ScriptAction)
    assert action.path == "RPScripts\\Start.ps1"
    assert (action.side, action.time_limit_seconds) == ("Primary", 300)
    assert not action.sha256


def test_a_script_may_say_what_its_file_must_be() -> None:
    action = read_action(script(sha256=f" {'A1' * 32}"), "actions[0]")
    assert isinstance(action, ScriptAction)
    assert action.sha256 == "a1" * 32


def test_a_manual_action_waits_forever_unless_it_has_a_time() -> None:
    action = read_action(manual(), "actions[0]")
    assert isinstance(action, ManualAction)
    assert action.time_limit_seconds is None
    late = read_action(manual(timeout="PT2H"), "actions[0]")
    assert late.time_limit_seconds == 7200


def test_words_given_twice_count_once() -> None:
    draft = replace(manual(), failover_types=("TestFailover", "testfailover"))
    assert read_action(draft, "actions[0]").failover_types == (FailoverType.TEST,)


@pytest.mark.parametrize(
    ("draft", "code", "field"),
    [
        (replace(script(), name=" "), "RecoveryPlanActionNameInvalid", "actionName"),
        (replace(script(), name="a\nb"), "RecoveryPlanActionNameInvalid", "actionName"),
        (replace(script(), name="a" * 129), "RecoveryPlanActionNameInvalid", "actionName"),
        (replace(script(), failover_types=()), "RecoveryPlanActionValueInvalid", "failoverTypes"),
        (
            replace(script(), failover_types=("TestFailover", "Commit")),
            "RecoveryPlanActionValueInvalid",
            "failoverTypes[1]",
        ),
        (
            replace(script(), failover_directions=()),
            "RecoveryPlanActionValueInvalid",
            "failoverDirections",
        ),
        (
            replace(script(), failover_directions=("Sideways",)),
            "RecoveryPlanActionValueInvalid",
            "failoverDirections[0]",
        ),
        (replace(script(), failure_rule="Retry"), "RecoveryPlanActionValueInvalid", "failureRule"),
        (
            script(fabricLocation="Azure"),
            "RecoveryPlanActionValueInvalid",
            "customDetails.fabricLocation",
        ),
        (
            script(fabricLocation=None),
            "RecoveryPlanActionValueInvalid",
            "customDetails.fabricLocation",
        ),
        (script(path="..\\x.ps1"), "RecoveryPlanScriptPathInvalid", "customDetails.path"),
        (script(sha256="A" * 63), "RecoveryPlanScriptHashInvalid", "customDetails.sha256"),
        (script(sha256=7), "RecoveryPlanScriptHashInvalid", "customDetails.sha256"),
        (script(timeout="601"), "RecoveryPlanTimeLimitInvalid", "customDetails.timeout"),
        (script(timeout="PT1H"), "RecoveryPlanTimeLimitInvalid", "customDetails.timeout"),
        (manual(description=""), "RecoveryPlanActionValueInvalid", "customDetails.description"),
        (manual(description=None), "RecoveryPlanActionValueInvalid", "customDetails.description"),
        (
            manual(description="x" * 4001),
            "RecoveryPlanActionValueInvalid",
            "customDetails.description",
        ),
        (manual(timeout="soon"), "RecoveryPlanTimeLimitInvalid", "customDetails.timeout"),
        (
            script(instanceType="AutomationRunbookActionDetails"),
            "RecoveryPlanActionNotSupported",
            "customDetails.instanceType",
        ),
        (script(instanceType=None), "RecoveryPlanActionNotSupported", "customDetails.instanceType"),
        (
            script(instanceType=["x"]),
            "RecoveryPlanActionNotSupported",
            "customDetails.instanceType",
        ),
    ],
)
def test_a_wrong_action_is_refused_naming_the_field(
    draft: ActionDraft, code: str, field: str
) -> None:
    with pytest.raises(RefusedError) as error:
        read_actions([manual("Before it"), draft], "groups[2].startGroupActions")
    failure = error.value.failure
    assert failure.code == code
    assert failure.possible_causes
    assert failure.recommended_action
    assert error.value.field == f"groups[2].startGroupActions[1].{field}"


def test_actions_in_one_place_have_different_names() -> None:
    with pytest.raises(RefusedError) as error:
        read_actions([script("Start"), manual("start ")], "startGroupActions")
    assert error.value.failure.code == "RecoveryPlanActionNameInUse"
    assert error.value.field == "startGroupActions[1].actionName"


def test_a_place_has_fifty_actions_at_most() -> None:
    drafts = [manual(f"a{number}") for number in range(51)]
    assert len(read_actions(drafts[:50], "startGroupActions")) == 50
    with pytest.raises(RefusedError) as error:
        read_actions(drafts, "startGroupActions")
    assert error.value.failure.code == "RecoveryPlanTooManyActions"


@pytest.mark.parametrize(
    ("given_limit", "seconds"),
    [
        (None, None),
        ("", None),
        (30, 30),
        ("30", 30),
        (" 600 ", 600),
        ("0:00:30", 30),
        ("00:10:00", 600),
        ("PT90S", 90),
        ("pt1m30s", 90),
        ("PT10M", 600),
    ],
)
def test_a_time_limit_may_be_written_in_three_ways(
    given_limit: object, seconds: int | None
) -> None:
    assert read_time_limit(given_limit, 600, "timeout") == seconds


@pytest.mark.parametrize(
    "given_limit",
    [
        0,
        -5,
        601,
        True,
        1.5,
        "0",
        "-1",
        "1e2",
        "00:10:01",
        "00:60:00",
        "PT",
        "P1D",
        "PT1.5S",
        "٣",
        [],
        {},
    ],
)
def test_any_other_time_limit_is_refused(given_limit: object) -> None:
    with pytest.raises(RefusedError) as error:
        read_time_limit(given_limit, 600, "timeout")
    assert error.value.failure.code == "RecoveryPlanTimeLimitInvalid"


@given(st.one_of(st.text(max_size=12), st.integers(), st.none(), st.booleans()))
def test_a_time_limit_is_read_within_its_limits_or_refused(given_limit: object) -> None:
    try:
        seconds = read_time_limit(given_limit, 600, "timeout")
    except RefusedError:
        return
    assert seconds is None or 1 <= seconds <= 600
