from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.replication.health import (
    HYPERV_HEALTH,
    LEVELS,
    SEVERITY,
    Health,
    ItemHealth,
    SideHealth,
    evaluate,
)

SEEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATES = (
    "ReadyForInitialReplication",
    "InitialReplicationInProgress",
    "WaitingForInitialReplication",
    "Replicating",
    "PreparedForFailover",
    "FailedOverWaitingCompletion",
    "FailedOver",
    "Suspended",
    "Error",
    "WaitingForStartResynchronize",
    "Resynchronizing",
    "ResynchronizeSuspended",
    "WaitingForUpdateCompletion",
    "UpdateError",
    "FiredrillInProgress",
)


def side(state: str = "Replicating", health: str = "Normal", **more: Any) -> SideHealth:
    return SideHealth(**{"primary": True, "state": state, "health": health, **more})


def judged(*sides: SideHealth, last: datetime | None = SEEN, replicates: bool = True) -> ItemHealth:
    return evaluate(sides, replicates=replicates, last_replicated_at=last, now=SEEN)


def codes(item: ItemHealth) -> Sequence[object]:
    return [error["errorCode"] for error in item.errors]


@pytest.mark.parametrize(
    ("healths", "worst"),
    [
        ((), "None"),
        (("NotApplicable",), "None"),
        (("Normal", "NotApplicable"), "Normal"),
        (("Normal", "Warning"), "Warning"),
        (("Critical", "Warning"), "Critical"),
        (("A word of a newer version",), "None"),
    ],
)
@pytest.mark.spec("RE-8")
def test_the_worse_side_decides(healths: tuple[str, ...], worst: str) -> None:
    assert judged(*(side(health=health) for health in healths)).health == worst


@pytest.mark.parametrize(
    ("seen", "code", "health"),
    [
        (side("Error"), "67501", "Critical"),
        (side("UpdateError"), "67501", "Critical"),
        (side("WaitingForStartResynchronize"), "67501", "Critical"),
        (side("ResynchronizeSuspended"), "67501", "Critical"),
        (side("Resynchronizing"), "Resynchronizing", "Warning"),
        (side("WaitingForUpdateCompletion"), "DiskUpdateInProgress", "Warning"),
        (side("Suspended"), "67502", "Warning"),
        (side("Suspended", primary=False), "67502", "Critical"),
        (side("FailedOverWaitingCompletion", primary=False), "67506", "Warning"),
        (side("FailedOver", primary=False), "67506", "Warning"),
        (side("PreparedForFailover"), "PreparedForFailover", "Warning"),
        (side(successful=79, missed=21), "67518", "Warning"),
        (side(latency_seconds=301.0, frequency_seconds=300), "ReplicationSlow", "Warning"),
        (side(unreplicated_disks=("D:\\new.vhdx",)), "DiskNotReplicated", "Warning"),
        (side(mode="None", state="Disabled"), "ReplicationRemoved", "Critical"),
        (side(mode="None", state="Disabled", present=False), "VirtualMachineMissing", "Critical"),
        (side(health="Warning", details=("Something.",)), "HyperVReplicaHealth", "Warning"),
        (side(health="Critical"), "HyperVReplicaHealth", "Critical"),
    ],
)
@pytest.mark.spec("RE-8", "RE-4")
def test_each_condition_has_a_code_with_cause_and_remedy(
    seen: SideHealth, code: str, health: str
) -> None:
    item = judged(seen)
    assert (codes(item), item.health) == ([code], health)
    [error] = item.errors
    where = "OnPrimary" if seen.primary else "OnReplica"
    assert error["errorSource"] == f"ReplicationUnitProviderError{where}"
    assert error["possibleCauses"]
    assert error["recommendedAction"]
    assert error["creationTimeUtc"] == "2026-01-02T03:04:05+00:00"
    assert set(seen.details) <= {*str(error["errorMessage"]).split(" ")}


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        (side(successful=80, missed=20), "Normal"),
        (side(latency_seconds=300.0, frequency_seconds=30), "Normal"),
        # A slow rhythm may take as long as itself.
        (side(latency_seconds=900.0, frequency_seconds=900), "Normal"),
        (side("PreparedForFailover", primary=False), "Normal"),
        # A first copy is under way: nothing is wrong, though Hyper-V calls it a warning.
        (side("InitialReplicationInProgress", "Warning"), "Warning"),
    ],
)
@pytest.mark.spec("RE-8")
def test_what_is_as_it_should_be_is_no_error(seen: SideHealth, health: str) -> None:
    item = judged(seen)
    assert (item.errors, item.health) == ([], health)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=1), []),
        (timedelta(hours=1, seconds=1), ["ReplicaBehind"]),
    ],
)
@pytest.mark.spec("RE-8")
def test_over_an_hour_behind_is_a_warning_though_nobody_reports(
    age: timedelta, expected: list[str]
) -> None:
    item = judged(side(), last=SEEN - age)
    assert codes(item) == expected
    assert item.health == ("Warning" if expected else "Normal")


@pytest.mark.parametrize("gone", [side(mode="None"), side(mode="")])
@pytest.mark.spec("RE-8")
def test_a_replication_that_need_not_be_there_is_not_missed(gone: SideHealth) -> None:
    assert judged(gone, last=SEEN - timedelta(days=1), replicates=False).errors == []


SIDES = st.builds(
    SideHealth,
    primary=st.booleans(),
    state=st.sampled_from(STATES),
    mode=st.sampled_from(["None", "Primary", "Replica", ""]),
    present=st.booleans(),
    health=st.sampled_from(["NotApplicable", *HYPERV_HEALTH]),
    successful=st.integers(0, 2**32 - 1),
    missed=st.integers(0, 2**32 - 1),
    latency_seconds=st.floats(0, 1e6),
)


@given(sides=st.lists(SIDES, max_size=2), replicates=st.booleans())
@pytest.mark.spec("RE-8")
def test_health_is_never_better_than_its_worst_error_or_than_hyper_v_says(
    sides: list[SideHealth], replicates: bool
) -> None:
    item = judged(*sides, replicates=replicates)
    least = [LEVELS[str(error["errorLevel"])] for error in item.errors]
    least += [HYPERV_HEALTH.get(each.health, Health.NONE) for each in sides]
    assert SEVERITY.index(item.health) == max(map(SEVERITY.index, least), default=0)
    levels = [str(error["errorLevel"]) for error in item.errors]
    assert levels == sorted(levels)
