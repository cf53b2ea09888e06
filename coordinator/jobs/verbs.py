"""The verbs of the wire: what each is asked with, what it gives, and both as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from opensiterecovery.provider.v1 import command_pb2

from coordinator.failures import Failure, ProviderError

# The field of CommandResult that each verb's success is in; the wire's comments say "Gives ...".
RESULT_FIELDS: Mapping[str, str] = {
    "read_host_replication": "host_replication",
    "prepare_host_certificate": "host_certificate_request",
    "install_host_certificate": "host_certificate",
    "configure_replication_server": "host_replication",
    "read_virtual_machine": "virtual_machine",
    "test_replication_connection": "replication_connection",
    "enable_replication": "replication",
    "start_initial_replication": "replication",
    "read_replication": "replication",
    "stop_virtual_machine": "virtual_machine",
    "prepare_failover": "replication",
    "start_failover": "replication",
    "start_virtual_machine": "virtual_machine",
    "cancel_failover": "replication",
    "make_replica": "replication",
    "complete_failover": "replication",
    "reverse_replication": "replication",
    "refresh_host": "host_refreshed",
    "remove_replication": "replication",
    "delete_replica": "replica_deleted",
    "clear_dr_protection": "dr_protection",
    "remove_host_replication": "host_replication",
    "read_network_adapters": "network_adapters",
    "connect_network_adapter": "network_adapter",
    "reserve_address": "reserved_address",
    "release_address": "reserved_address",
    "write_failover_address": "failover_address",
    "move_replica_storage": "replica_storage",
    "set_bandwidth_limit": "bandwidth_limit",
    "remove_host_certificates": "host_certificates_removed",
    "change_replication": "replication",
    "suspend_replication": "replication",
    "resume_replication": "replication",
    "refresh_fabric": "fabric_refreshed",
    "export_initial_replication": "replication",
    "import_initial_replication": "replication",
    "stop_initial_replication": "replication",
    "check_replication_path": "replication_path",
    "grant_replication_path": "replication_path",
    "read_first_copy": "first_copy",
    "enable_as_replica": "replication",
    "set_allowed_primary_server": "replication",
    "start_test_failover": "test_virtual_machine",
    "stop_test_failover": "test_virtual_machine_removed",
    "create_test_network": "test_network",
    "remove_test_network": "test_network_removed",
    "run_plan_script": "plan_script_run",
    "check_plan_scripts": "plan_scripts",
}


class VerbError(ValueError):
    """A verb, or what it is to be asked with, is not of the wire."""


@dataclass(frozen=True)
class Verb:
    """A verb of the wire's Command.

    Attributes:
        name: Field of Command's oneof "verb".
        request: Type of that field.
        result_field: Field of CommandResult's oneof "outcome".
        result: Type of that field.
    """

    name: str
    request: Descriptor
    result_field: str
    result: Descriptor


@dataclass(frozen=True)
class CommandCause:
    """Whose command it is: job, step, and the id that logs of all the job causes are found by."""

    job_id: UUID
    step_key: str
    correlation_id: str = ""


@dataclass(frozen=True)
class CommandFailure:
    """A provider's failure: what to tell, and whether trying again may help."""

    failure: Failure
    transient: bool


def _message_type(holder: Descriptor, field: str) -> Descriptor:
    message_type = holder.fields_by_name[field].message_type
    if message_type is None:
        raise VerbError(f"{holder.name}.{field} is no message")
    return message_type


VERBS: Mapping[str, Verb] = {
    field.name: Verb(
        name=field.name,
        request=_message_type(command_pb2.Command.DESCRIPTOR, field.name),
        result_field=RESULT_FIELDS[field.name],
        result=_message_type(command_pb2.CommandResult.DESCRIPTOR, RESULT_FIELDS[field.name]),
    )
    for field in command_pb2.Command.DESCRIPTOR.oneofs_by_name["verb"].fields
}


def build_command(
    command_id: UUID,
    cause: CommandCause,
    time_limit: timedelta,
    request: tuple[str, object],
) -> bytes:
    """The wire's Command, serialized.

    Args:
        command_id: Its last four bytes are zero.
        cause: For the agent's log.
        time_limit: For the agent, from journalling to result.
        request: Verb and inputs as JSON with proto field names, bytes in base64.

    Raises:
        VerbError: The verb is unknown, or the inputs do not fit it.
    """
    verb, inputs = request
    if verb not in VERBS:
        raise VerbError(f"no verb {verb!r}")
    command = command_pb2.Command(
        command_id=str(command_id),
        job_id=str(cause.job_id),
        step_key=cause.step_key,
        correlation_id=cause.correlation_id,
    )
    command.time_limit.FromTimedelta(time_limit)
    try:
        json_format.ParseDict({verb: inputs}, command)
    except json_format.ParseError as error:
        raise VerbError(f"{verb}: {error}") from error
    return command.SerializeToString()


def read_result(verb: str, result: bytes) -> Mapping[str, object] | CommandFailure:
    """What a stored CommandResult says.

    Args:
        verb: The verb that was asked.
        result: The CommandResult, serialized.

    Returns:
        The result as JSON with proto field names, fields at their defaults included, or the failure
        that the provider told of. A result of another type than the verb's, or one that is no
        JSON, is a failure too.
    """
    outcome = command_pb2.CommandResult.FromString(result)
    which = outcome.WhichOneof("outcome")
    if which == "failure":
        told = json_format.MessageToDict(outcome.failure)
        failure = Failure(
            told.get("code", ""),
            told.get("message", ""),
            tuple(told.get("possibleCauses", ())),
            told.get("recommendedAction", ""),
            _provider_error(told.get("powershell")),
        )
        return CommandFailure(failure, outcome.failure.transient)
    if which != VERBS[verb].result_field:
        return _not_understood(verb, which or "nothing")
    try:
        found: Mapping[str, object] = json_format.MessageToDict(
            getattr(outcome, which),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
    except json_format.Error as error:
        # A time out of range, for example: the job must end in words, not stand still.
        return _not_understood(verb, f"what cannot be read ({error})")
    return found


def _provider_error(told: Mapping[str, str] | None) -> ProviderError | None:
    if told is None:
        return None
    return ProviderError(
        error_id=told.get("errorId", ""),
        category=told.get("category", ""),
        message=told.get("message", ""),
        cmdlet=told.get("cmdlet", ""),
        target=told.get("target", ""),
    )


def _not_understood(verb: str, answer: str) -> CommandFailure:
    failure = Failure(
        "ResultNotUnderstood",
        f"The provider answered {verb} with {answer}.",
        ("The provider is of a newer or an older version than the coordinator understands.",),
        "Bring provider and coordinator to the same version, then repeat the operation.",
    )
    return CommandFailure(failure, transient=False)
