"""Test failovers in answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from typing_extensions import TypedDict

from coordinator.api.paths import JOB, VaultId
from coordinator.api.shapes.envelope import ArmId, Time, written_time
from coordinator.recovery.models import Drill
from coordinator.recovery.test_failover.states import DrillOutcome

CONNECTED: Final = "Connected"
NOT_CONNECTED: Final = "NotConnected"


class TestedMachine(TypedDict):
    """The virtual machine a test made."""

    testVmName: str | None
    testVmFriendlyName: str | None
    networkConnectionStatus: Literal["Connected", "NotConnected"]
    networkFriendlyName: str | None
    subnet: str | None
    recoveryPointId: str | None
    recoveryPointTime: Time | None
    recoveryPointType: str | None
    ipAddresses: list[str]


class TestOfMachine(TestedMachine):
    """A test of a machine, from its beginning to its clean-up. Beyond ASR's model."""

    name: str
    jobId: ArmId | None
    outcome: str
    counts: bool
    side: str
    host: str
    networkType: str
    notes: str
    startTime: Time
    activeTime: Time | None
    endTime: Time | None


class TestOfItem(TestedMachine):
    name: str
    friendlyName: str


class TestJobDetails(TypedDict):
    """Details of a job that tests."""

    instanceType: Literal["TestFailoverJobDetails"]
    affectedObjectDetails: dict[str, str]
    testFailoverStatus: Literal["Active", "Completed"]
    comments: str
    networkName: str | None
    networkFriendlyName: str | None
    networkType: str | None
    protectedItemDetails: list[TestOfItem]


def drill_shape(ids: VaultId, drill: Drill) -> TestOfMachine:
    """A test of a machine, from its beginning to its clean-up."""
    return {
        "name": str(drill.id),
        "jobId": None if drill.job_id is None else ids.child(JOB, job_name=str(drill.job_id)),
        "outcome": drill.outcome,
        "counts": drill.outcome == DrillOutcome.COMPLETED,
        "side": drill.location,
        "host": drill.host,
        "networkType": drill.network_type,
        "notes": drill.notes,
        "startTime": written_time(drill.started_at),
        "activeTime": written_time(drill.active_at),
        "endTime": written_time(drill.ended_at),
        **_machine(drill),
    }


def drill_job_details(drills: Sequence[Drill]) -> TestJobDetails:
    """ASR's details of a job that tests: one machine, or those of a plan."""
    first = next(iter(drills), None)
    active = any(drill.ended_at is None for drill in drills)
    return {
        "instanceType": "TestFailoverJobDetails",
        "affectedObjectDetails": {},
        "testFailoverStatus": "Active" if active else "Completed",
        "comments": next((drill.notes for drill in drills if drill.notes), ""),
        "networkName": None if first is None else first.network_id or None,
        "networkFriendlyName": None if first is None else first.network or None,
        "networkType": None if first is None else first.network_type,
        "protectedItemDetails": [
            {
                "name": str(drill.item_id or drill.item_name),
                "friendlyName": drill.item_name,
                **_machine(drill),
            }
            for drill in drills
        ],
    }


def _machine(drill: Drill) -> TestedMachine:
    placed = [each for each in drill.adapters if each.get("subnet_name")]
    connected = any(each.get("adapter") for each in placed)
    return {
        "testVmName": drill.test_vm_id or None,
        "testVmFriendlyName": drill.test_vm_name or None,
        "networkConnectionStatus": CONNECTED if connected else NOT_CONNECTED,
        "networkFriendlyName": drill.network or None,
        "subnet": next((str(each["subnet_name"]) for each in placed), None),
        "recoveryPointId": drill.recovery_point_id or None,
        "recoveryPointTime": written_time(drill.recovery_point_time),
        "recoveryPointType": drill.recovery_point_type or None,
        # Beyond ASR's model: what the guest has in the test.
        "ipAddresses": [str(each["guest_address"]) for each in placed if each.get("guest_address")],
    }
