"""Which copy may run, and when one is started again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coordinator.protection.roles.rules import (
    UNDECIDED_STATES,
    Look,
    Role,
    owners_choice,
    role_of,
    start_due,
)
from coordinator.protection.states import ActiveLocation, FailoverType, ProtectionState

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(days=3)
PRIMARY, RECOVERY = ActiveLocation.PRIMARY, ActiveLocation.RECOVERY
pytestmark = pytest.mark.spec("FO-7")


@pytest.mark.parametrize("state", ProtectionState)
@pytest.mark.parametrize("active", ActiveLocation)
@pytest.mark.parametrize("failover_type", ["", *FailoverType])
def test_at_most_one_copy_may_run(
    state: ProtectionState, active: ActiveLocation, failover_type: str
) -> None:
    roles = {each: role_of(state, each, active, failover_type) for each in ActiveLocation}
    assert roles[active.other] in {Role.HELD, Role.REPLICA}
    assert roles[active] is (Role.UNDECIDED if state in UNDECIDED_STATES else Role.ACTIVE)


def test_only_an_unplanned_failover_leaves_a_copy_to_be_held() -> None:
    state = ProtectionState.COMMITTED
    assert role_of(state, PRIMARY, RECOVERY, FailoverType.UNPLANNED) is Role.HELD
    assert role_of(state, PRIMARY, RECOVERY, FailoverType.PLANNED) is Role.REPLICA
    assert role_of(state, PRIMARY, RECOVERY, "") is Role.REPLICA


def due(before: Look | None, now: Look, action: str = "StartIfRunning") -> datetime | None:
    return start_due(before, now, action, 30, NOON)


RAN = Look("Running", EARLIER)
WAS_OFF = Look("Off", EARLIER)
BOOTED = NOON - timedelta(seconds=10)


def test_what_ran_before_its_host_went_down_is_started_after_its_delay() -> None:
    assert due(RAN, Look("Off", BOOTED)) == BOOTED + timedelta(seconds=30)
    assert due(RAN, Look("Off", BOOTED), "") is not None
    assert start_due(RAN, Look("Off", BOOTED), "StartIfRunning", 0, NOON) == NOON


@pytest.mark.parametrize(
    ("before", "now", "action"),
    [
        (RAN, Look("Off", EARLIER), "StartIfRunning"),
        (RAN, Look("Off", EARLIER + timedelta(seconds=2)), "StartIfRunning"),
        (WAS_OFF, Look("Off", BOOTED), "StartIfRunning"),
        (RAN, Look("Running", BOOTED), "StartIfRunning"),
        (RAN, Look("", BOOTED), "StartIfRunning"),
        (RAN, Look("Off", BOOTED), "Nothing"),
        (None, Look("Off", BOOTED), "Start"),
        (Look("Running", None), Look("Off", BOOTED), "Start"),
        (RAN, Look("Off", None), "Start"),
    ],
    ids=[
        "somebody turned it off",
        "the host's clock was corrected",
        "it did not run",
        "it runs",
        "it is not there",
        "its owner does not want it",
        "never seen before",
        "nobody knows when the host started before",
        "nobody knows when the host started",
    ],
)
def test_everything_else_is_left_as_it_is(before: Look | None, now: Look, action: str) -> None:
    assert due(before, now, action) is None


def test_what_is_always_to_start_starts_whether_it_ran_or_not() -> None:
    assert due(WAS_OFF, Look("Off", BOOTED), "Start") is not None


def test_the_owners_choice_is_what_was_there_before_ours() -> None:
    unknown = ("", 0)
    assert owners_choice(unknown, ("StartIfRunning", 5)) == ("StartIfRunning", 5)
    assert owners_choice(unknown, ("Nothing", 0)) == ("Nothing", 0)
    assert owners_choice(unknown, ("", 0)) == unknown
    known = ("StartIfRunning", 5)
    assert owners_choice(known, ("Nothing", 5)) == known
    assert owners_choice(known, ("", 0)) == known
    assert owners_choice(known, ("Start", 9)) == ("Start", 9)
    assert owners_choice(known, ("Nothing", 9)) == ("StartIfRunning", 9)
