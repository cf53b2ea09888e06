from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import RefusedError
from coordinator.protection.policies.changes import changed_policy, in_api_words
from coordinator.protection.policies.rules import InitialReplicationMethod, read_policy

pytestmark = pytest.mark.spec("PO-4")

R2: dict[str, object] = {"instanceType": "HyperVReplica2012R2"}
OFFLINE: dict[str, object] = {
    **R2,
    "initialReplicationMethod": "Offline",
    "offlineReplicationExportPath": "\\\\s\\e",
    "offlineReplicationImportPath": "D:\\i",
}

POLICIES = st.fixed_dictionaries(
    {
        "instanceType": st.just("HyperVReplica2012R2"),
        "replicationFrequencyInSeconds": st.sampled_from([30, 300, 900]),
        "recoveryPoints": st.integers(13, 24),
        "applicationConsistentSnapshotFrequencyInHours": st.integers(0, 12),
        "compression": st.sampled_from(["Enable", "Disable"]),
        "replicationPort": st.integers(1, 65535),
        "allowedAuthenticationType": st.sampled_from([1, 2]),
        "replicaDeletion": st.sampled_from(["Required", "NotRequired"]),
    }
)


@given(POLICIES)
def test_a_policy_written_in_the_apis_words_is_read_as_the_same(given_: dict[str, object]) -> None:
    fields = read_policy(given_)
    assert read_policy(in_api_words(fields)) == fields
    assert changed_policy(fields, {}) == fields


@given(POLICIES, POLICIES)
def test_only_what_is_given_changes(before: dict[str, object], after: dict[str, object]) -> None:
    one = {"recoveryPoints": after["recoveryPoints"], "compression": None}
    changed = in_api_words(changed_policy(read_policy(before), one))
    assert changed == {**in_api_words(read_policy(before)), "recoveryPoints": one["recoveryPoints"]}


def test_a_first_copy_over_the_network_drops_the_paths() -> None:
    changed = changed_policy(read_policy(OFFLINE), {"initialReplicationMethod": "OverNetwork"})
    assert changed.initial_replication_method is InitialReplicationMethod.OVER_NETWORK
    assert changed.offline_export_path == ""


def test_a_first_copy_by_disk_drops_the_time_of_day_and_needs_paths() -> None:
    timed = read_policy({**R2, "onlineReplicationStartTime": "22:00:00"})
    with pytest.raises(RefusedError) as error:
        changed_policy(timed, {"initialReplicationMethod": "Offline"})
    assert error.value.field == "offlineReplicationExportPath"
    changed = changed_policy(
        timed, {name: value for name, value in OFFLINE.items() if name != "instanceType"}
    )
    assert changed.online_replication_start_time == ""


def test_windows_2012_has_one_frequency_and_fewer_points() -> None:
    fast = read_policy({**R2, "replicationFrequencyInSeconds": 30, "recoveryPoints": 15})
    old = changed_policy(fast, {"instanceType": "HyperVReplica2012"})
    assert old.replication_frequency_seconds == 300
    many = read_policy({**R2, "recoveryPoints": 16})
    with pytest.raises(RefusedError) as error:
        changed_policy(many, {"instanceType": "HyperVReplica2012"})
    assert error.value.field == "recoveryPoints"
    assert "15" in error.value.failure.possible_causes[0]
