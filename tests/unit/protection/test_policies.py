from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import RefusedError
from coordinator.protection.policies.rules import (
    FIELDS,
    Authentication,
    InitialReplicationMethod,
    InstanceType,
    PolicyFields,
    check_name,
    read_policy,
)

R2 = "HyperVReplica2012R2"
OLD = "HyperVReplica2012"
RECORDED: dict[str, object] = {
    "instanceType": R2,
    "replicationFrequencyInSeconds": 30,
    "recoveryPoints": 1,
    "applicationConsistentSnapshotFrequencyInHours": 0,
    "compression": "Disable",
    "initialReplicationMethod": "OverNetwork",
    "replicationPort": 8083,
    "allowedAuthenticationType": 1,
    "replicaDeletion": "Required",
}


@pytest.mark.spec("PO-1")
def test_the_recorded_request_of_asr_is_read() -> None:
    assert read_policy(RECORDED) == PolicyFields(
        instance_type=InstanceType.WINDOWS_2012_R2,
        authentication_type=Authentication.KERBEROS,
        replication_port=8083,
        replication_frequency_seconds=30,
        recovery_points=1,
        application_consistent_hours=0,
        compression=False,
        initial_replication_method=InitialReplicationMethod.OVER_NETWORK,
        online_replication_start_time="",
        offline_export_path="",
        offline_import_path="",
        delete_replica=True,
    )


@pytest.mark.parametrize("seconds", [30, 300, 900])
@pytest.mark.spec("PO-1")
def test_machines_are_copied_every_half_minute_five_or_fifteen_minutes(seconds: int) -> None:
    fields = read_policy({"instanceType": R2, "replicationFrequencyInSeconds": seconds})
    assert fields.replication_frequency_seconds == seconds


@pytest.mark.parametrize(("number", "port"), [(1, 8083), (2, 8084), (None, 8084)])
@pytest.mark.spec("PO-1")
def test_the_port_follows_the_authentication_when_it_is_not_given(
    number: int | None, port: int
) -> None:
    fields = read_policy({"instanceType": R2, "allowedAuthenticationType": number})
    assert fields.replication_port == port


BAD: list[tuple[str, object]] = [
    ("instanceType", None),
    ("instanceType", "HyperVReplicaAzure"),
    ("replicationFrequencyInSeconds", 60),
    ("replicationFrequencyInSeconds", "30"),
    ("replicationFrequencyInSeconds", True),
    ("recoveryPoints", 25),
    ("recoveryPoints", -1),
    ("recoveryPoints", 1.5),
    ("applicationConsistentSnapshotFrequencyInHours", 13),
    ("applicationConsistentSnapshotFrequencyInHours", 1),
    ("compression", "Yes"),
    ("compression", 1),
    ("initialReplicationMethod", "ByPost"),
    ("onlineReplicationStartTime", "25:00:00"),
    ("onlineReplicationStartTime", "8 pm"),
    ("offlineReplicationExportPath", r"\\files\seed"),
    ("offlineReplicationImportPath", r"D:\seed"),
    ("offlineReplicationImportPath", []),
    ("replicationPort", 0),
    ("replicationPort", 65536),
    ("allowedAuthenticationType", 3),
    ("allowedAuthenticationType", "Certificate"),
    ("replicaDeletion", "Maybe"),
]


@pytest.mark.parametrize(("field", "value"), BAD)
@pytest.mark.spec("PO-4")
def test_a_bad_value_is_refused_with_field_value_and_what_is_allowed(
    field: str, value: object
) -> None:
    with pytest.raises(RefusedError) as refused:
        read_policy({**RECORDED, field: value})
    failure = refused.value.failure
    assert refused.value.field == field
    assert refused.value.status == 400
    assert field in failure.message
    assert repr(value) in failure.message
    assert failure.possible_causes
    assert failure.recommended_action


def test_every_field_has_a_refusal() -> None:
    assert {field for field, _ in BAD} == FIELDS


@pytest.mark.spec("PO-4")
def test_a_field_that_no_policy_has_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        read_policy({**RECORDED, "frequency": 30})
    assert refused.value.field == "frequency"


@pytest.mark.spec("PO-1")
def test_windows_2012_copies_every_five_minutes_and_keeps_fifteen_points() -> None:
    fields = read_policy({"instanceType": OLD, "recoveryPoints": 15})
    assert (fields.replication_frequency_seconds, fields.recovery_points) == (300, 15)
    for field, value in (("replicationFrequencyInSeconds", 30), ("recoveryPoints", 16)):
        with pytest.raises(RefusedError) as refused:
            read_policy({"instanceType": OLD, field: value})
        assert refused.value.field == field


@given(points=st.integers(-3, 30), hours=st.integers(-3, 30), instance=st.sampled_from([OLD, R2]))
@pytest.mark.spec("PO-1")
def test_application_consistent_hours_are_off_or_below_the_points(
    points: int, hours: int, instance: str
) -> None:
    most = 15 if instance == OLD else 24
    good = 0 <= points <= most and (hours == 0 or (1 <= hours <= 12 and hours < points))
    given_fields = {
        "instanceType": instance,
        "recoveryPoints": points,
        "applicationConsistentSnapshotFrequencyInHours": hours,
    }
    if good:
        assert read_policy(given_fields).application_consistent_hours == hours
    else:
        with pytest.raises(RefusedError):
            read_policy(given_fields)


@pytest.mark.spec("PO-1")
def test_offline_needs_both_paths_and_has_no_start_time() -> None:
    offline = {
        "instanceType": R2,
        "initialReplicationMethod": "offline",
        "offlineReplicationExportPath": r"\\files\seed",
        "offlineReplicationImportPath": r"D:\seed",
    }
    fields = read_policy(offline)
    assert fields.offline_export_path == r"\\files\seed"
    for field, value in (
        ("offlineReplicationExportPath", None),
        ("offlineReplicationImportPath", "seed"),
        ("onlineReplicationStartTime", "20:00:00"),
    ):
        with pytest.raises(RefusedError) as refused:
            read_policy({**offline, field: value})
        assert refused.value.field == field


@pytest.mark.parametrize("name", ["Gold", "policy 1", "a", "P-1_(x)", "x" * 64])
def test_a_name_that_fits_a_resource_id_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", " Gold", "a/b", "x" * 65, "a?b", "ends with space "])
@pytest.mark.spec("PO-4")
def test_a_name_that_does_not_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_name(name)
    assert refused.value.field == "name"
