"""Verbs of the wire: every one has a result, requests and results travel as JSON."""

from __future__ import annotations

import base64
from datetime import timedelta
from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import command_pb2, failure_pb2, replication_pb2

from coordinator.failures import Failure, ProviderError
from coordinator.jobs.stored_failures import read_failure
from coordinator.jobs.verbs import (
    RESULT_FIELDS,
    VERBS,
    CommandCause,
    CommandFailure,
    VerbError,
    build_command,
    read_result,
)

COMMAND_ID = UUID("11111111-2222-4333-8444-555500000000")
JOB_ID = UUID("99999999-2222-4333-8444-555555555555")


def build(verb: str, inputs: object) -> command_pb2.Command:
    cause = CommandCause(JOB_ID, "a/b", "trace-1")
    body = build_command(COMMAND_ID, cause, timedelta(seconds=90), (verb, inputs))
    return command_pb2.Command.FromString(body)


def test_every_verb_of_the_wire_is_known_and_no_other() -> None:
    oneof = command_pb2.Command.DESCRIPTOR.oneofs_by_name["verb"]
    assert set(VERBS) == {field.name for field in oneof.fields} == set(RESULT_FIELDS)


def test_every_result_of_the_wire_is_some_verb_s() -> None:
    outcomes = command_pb2.CommandResult.DESCRIPTOR.oneofs_by_name["outcome"].fields
    assert set(RESULT_FIELDS.values()) == {field.name for field in outcomes} - {"failure"}


def test_a_command_carries_ids_time_limit_and_request() -> None:
    command = build("stop_virtual_machine", {"vm": {"vm_id": "7", "host": "hv1"}, "turn_off": True})
    assert command.command_id == str(COMMAND_ID)
    assert (command.job_id, command.step_key) == (str(JOB_ID), "a/b")
    assert command.correlation_id == "trace-1"
    assert command.time_limit.ToTimedelta() == timedelta(seconds=90)
    assert command.stop_virtual_machine.vm.host == "hv1"
    assert command.stop_virtual_machine.turn_off


def test_a_verb_without_inputs_is_still_that_verb() -> None:
    assert build("refresh_host", {}).WhichOneof("verb") == "refresh_host"


def test_bytes_and_enums_are_read_from_json() -> None:
    certificate = base64.b64encode(b"\x30\x82").decode()
    command = build("install_host_certificate", {"host": "hv1", "certificate": certificate})
    assert command.install_host_certificate.certificate == b"\x30\x82"
    command = build(
        "configure_replication_server", {"authentication_type": "AUTHENTICATION_TYPE_CERTIFICATE"}
    )
    assert (
        command.configure_replication_server.authentication_type
        == command_pb2.AUTHENTICATION_TYPE_CERTIFICATE
    )


@pytest.mark.parametrize(
    ("verb", "inputs"),
    [
        ("format_disk", {}),
        ("refresh_host", {"hosts": "hv1"}),
        ("refresh_host", {"host": 5}),
        ("enable_replication", {"frequency_seconds": -1}),
        ("refresh_host", "hv1"),
    ],
)
def test_what_does_not_fit_the_wire_is_refused(verb: str, inputs: object) -> None:
    with pytest.raises(VerbError):
        build(verb, inputs)


def test_a_result_as_json_has_the_fields_at_their_defaults_too() -> None:
    state = replication_pb2.ReplicationState(vm_id="7", pending_replication_bytes=2**40)
    result = command_pb2.CommandResult(command_id=str(COMMAND_ID), replication=state)
    json = read_result("start_failover", result.SerializeToString())
    assert not isinstance(json, CommandFailure)
    assert json["vm_id"] == "7"
    assert json["pending_replication_bytes"] == str(2**40)
    assert json["replication_errors"] == 0
    assert "copy_percent" not in json


def test_a_provider_s_failure_keeps_its_four_parts() -> None:
    told = failure_pb2.Failure(
        code="HostBusy",
        message="hv1 is busy.",
        possible_causes=["A checkpoint is merging."],
        recommended_action="Wait.",
        transient=True,
    )
    result = command_pb2.CommandResult(command_id=str(COMMAND_ID), failure=told)
    assert read_result("start_failover", result.SerializeToString()) == CommandFailure(
        Failure("HostBusy", "hv1 is busy.", ("A checkpoint is merging.",), "Wait."), transient=True
    )


def test_what_powershell_said_is_kept_with_the_failure() -> None:
    result = command_pb2.CommandResult(command_id=str(COMMAND_ID))
    result.failure.code = "Unknown"
    result.failure.powershell.error_id = "InvalidState,StartVMFailover"
    result.failure.powershell.category = "InvalidOperation"
    result.failure.powershell.message = "The operation cannot be performed."
    outcome = read_result("start_failover", result.SerializeToString())
    assert isinstance(outcome, CommandFailure)
    said = ProviderError(
        "InvalidState,StartVMFailover", "InvalidOperation", "The operation cannot be performed."
    )
    assert outcome.failure.provider_error == said
    assert read_failure(outcome.failure.as_json()) == outcome.failure


@pytest.mark.parametrize(
    "result",
    [
        command_pb2.CommandResult(command_id=str(COMMAND_ID)),
        command_pb2.CommandResult(host_refreshed=command_pb2.HostRefreshed(host="hv1")),
    ],
)
def test_a_result_of_another_kind_is_a_failure(result: command_pb2.CommandResult) -> None:
    outcome = read_result("start_failover", result.SerializeToString())
    assert isinstance(outcome, CommandFailure)
    assert outcome.failure.code == "ResultNotUnderstood"
    assert not outcome.transient


def test_a_result_with_a_time_that_is_none_is_a_failure() -> None:
    result = command_pb2.CommandResult(command_id=str(COMMAND_ID))
    result.replication.last_replication_time.seconds = 10**15
    outcome = read_result("start_failover", result.SerializeToString())
    assert isinstance(outcome, CommandFailure)
    assert outcome.failure.code == "ResultNotUnderstood"
