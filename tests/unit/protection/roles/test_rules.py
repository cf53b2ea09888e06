"""Which copy may run, and when one is started again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coordinator.protection.roles.rules import (
    STOPPED_FOR_GOOD,
    UNDECIDED_STATES,
    Look,
    Role,
    Stop,
    follow,
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


def test_what_its_host_saved_when_it_went_down_is_started_too() -> None:
    assert due(RAN, Look("Saved", BOOTED)) is not None


def watched(*looks: tuple[float, Look]) -> Look | None:
    """How the copy stood when its host went down, by looks at these minutes from noon."""
    stop, found = Stop(), None
    before: Look | None = None
    before_at: datetime | None = None
    for minutes, look in looks:
        at = NOON + timedelta(minutes=minutes)
        found, stop = follow(stop, before, before_at, look, at)
        before, before_at = look, at
    return found


NEW = NOON + timedelta(minutes=20)
GOOD_MINUTES = STOPPED_FOR_GOOD / timedelta(minutes=1)


@pytest.mark.parametrize(
    "looks",
    [
        ((0, RAN), (21, Look("Off", NEW))),
        ((0, RAN), (1, Look("Saved", EARLIER)), (21, Look("Saved", NEW))),
        (
            (0, RAN),
            (1, Look("Saved", EARLIER)),
            (3, Look("Saved", EARLIER)),
            (21, Look("Off", NEW)),
        ),
        ((0, RAN), (21, Look("Off", None)), (23, Look("Off", NEW))),
        ((0, RAN), (21, Look("", None)), (40, Look("OffCritical", NEW))),
        ((0, RAN), (1, Look("Off", None)), (21, Look("Off", None)), (23, Look("Off", NEW))),
    ],
    ids=[
        "the power was cut",
        "the host saved it, was seen so, and went down",
        "and took a while",
        "the host did not say at once when it had started",
        "the machine was not there at once",
        "the host said less and less, then nothing",
    ],
)
def test_a_machine_stood_as_it_did_before_its_host_began_to_go_down(
    looks: tuple[tuple[float, Look], ...],
) -> None:
    assert watched(*looks) == Look("Running", EARLIER)


def test_a_machine_that_had_been_off_for_good_when_its_host_went_down_was_off() -> None:
    off = Look("Off", EARLIER)
    looks = ((0, RAN), (1, off), (1 + GOOD_MINUTES, off), (21, Look("Off", NEW)))
    assert watched(*looks) == off
    assert watched((0, WAS_OFF), (21, Look("Off", NEW))) == off
    # Its host does not say at first when it started.
    assert watched(*looks[:3], (20, Look("Off", None)), (21, Look("Off", NEW))) == off


def test_what_is_over_is_forgotten() -> None:
    off, now = Look("Off", EARLIER), NOON + timedelta(minutes=30)
    remembered = Stop(NOON, EARLIER)
    assert follow(remembered, off, NOON, Look("Running", EARLIER), now) == (None, Stop())
    found, stop = follow(remembered, off, NOON, Look("Off", NEW), now)
    assert found is not None
    assert stop == Stop()
    assert follow(Stop(), None, None, Look("Off", NEW), now) == (None, Stop())
    assert follow(Stop(NOON), off, NOON, Look("Off", EARLIER), now) == (None, Stop(NOON))


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
