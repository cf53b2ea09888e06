from __future__ import annotations

from datetime import UTC, datetime

import pytest

from coordinator.protection.replication.health import SideHealth, health_errors, replication_health

SEEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def side(state: str = "Replicating", health: str = "Normal", **counts: int) -> SideHealth:
    return SideHealth(
        primary=True,
        state=state,
        health=health,
        successful=counts.get("successful", 0),
        missed=counts.get("missed", 0),
    )


@pytest.mark.parametrize(
    ("healths", "worst"),
    [
        ((), "None"),
        (("NotApplicable",), "None"),
        (("Normal", "NotApplicable"), "Normal"),
        (("Normal", "Warning"), "Warning"),
        (("Critical", "Warning"), "Critical"),
    ],
)
@pytest.mark.spec("RE-8")
def test_the_worse_side_decides(healths: tuple[str, ...], worst: str) -> None:
    assert replication_health(tuple(side(health=health) for health in healths)) == worst


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (side("Error"), "67501"),
        (side("WaitingForStartResynchronize"), "67501"),
        (side("Suspended"), "67502"),
        (side("FailedOverWaitingCompletion"), "67506"),
        (side("PreparedForFailover"), "PreparedForFailover"),
        (side(successful=79, missed=21), "67518"),
    ],
)
@pytest.mark.spec("RE-8", "RE-4")
def test_each_condition_has_asrs_code_with_cause_and_remedy(seen: SideHealth, code: str) -> None:
    [error] = health_errors((seen,), SEEN)
    assert error["errorCode"] == code
    assert error["errorSource"] == "ReplicationUnitProviderErrorOnPrimary"
    assert error["possibleCauses"]
    assert error["recommendedAction"]
    assert error["creationTimeUtc"] == "2026-01-02T03:04:05+00:00"


def test_a_fifth_of_missed_cycles_is_still_no_error() -> None:
    assert health_errors((side(successful=80, missed=20),), SEEN) == []
