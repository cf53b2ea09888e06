"""Which function carries out which command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from google.protobuf.message import Message
from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult

from agent.verbs.addresses import release_address, reserve_address
from agent.verbs.bandwidth import set_bandwidth_limit
from agent.verbs.certificate_removal import remove_host_certificates
from agent.verbs.certificates import install_host_certificate, prepare_host_certificate
from agent.verbs.context import VerbContext
from agent.verbs.dr_protection import clear_dr_protection
from agent.verbs.existing_copies import enable_as_replica, set_allowed_primary_server
from agent.verbs.fabric import refresh_fabric
from agent.verbs.failover import complete_failover, prepare_failover, start_failover
from agent.verbs.failover_addresses import write_failover_address
from agent.verbs.failover_cancellation import cancel_failover
from agent.verbs.first_copies import (
    export_initial_replication,
    import_initial_replication,
    read_first_copy,
    stop_initial_replication,
)
from agent.verbs.host_removal import remove_host_replication
from agent.verbs.host_replication import (
    configure_replication_server,
    read_host_replication,
    refresh_host,
)
from agent.verbs.network_adapters import connect_network_adapter, read_network_adapters
from agent.verbs.plan_scripts import check_plan_scripts, run_plan_script
from agent.verbs.removal import delete_replica, remove_replication
from agent.verbs.replica_storage import move_replica_storage
from agent.verbs.replication import (
    enable_replication,
    read_replication_of,
    start_initial_replication,
    verify_replication_connection,
)
from agent.verbs.replication_paths import check_replication_path, grant_replication_path
from agent.verbs.replication_settings import change_replication
from agent.verbs.reversal import make_replica, reverse_replication
from agent.verbs.running_replication import resume_replication, suspend_replication
from agent.verbs.test_failover import start_test_failover, stop_test_failover
from agent.verbs.test_networks import create_test_network, remove_test_network
from agent.verbs.virtual_machine import (
    read_virtual_machine,
    start_virtual_machine,
    stop_virtual_machine,
)

# The request is the message of the field the verb is registered under; the table is what knows.
Verb: TypeAlias = Callable[[Any, VerbContext], Awaitable[Message]]

VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "read_host_replication": read_host_replication,
        "prepare_host_certificate": prepare_host_certificate,
        "install_host_certificate": install_host_certificate,
        "configure_replication_server": configure_replication_server,
        "read_virtual_machine": read_virtual_machine,
        "test_replication_connection": verify_replication_connection,
        "enable_replication": enable_replication,
        "start_initial_replication": start_initial_replication,
        "read_replication": read_replication_of,
        "stop_virtual_machine": stop_virtual_machine,
        "prepare_failover": prepare_failover,
        "start_failover": start_failover,
        "start_virtual_machine": start_virtual_machine,
        "complete_failover": complete_failover,
        "reverse_replication": reverse_replication,
        "cancel_failover": cancel_failover,
        "make_replica": make_replica,
        "refresh_host": refresh_host,
        "refresh_fabric": refresh_fabric,
        "remove_replication": remove_replication,
        "delete_replica": delete_replica,
        "clear_dr_protection": clear_dr_protection,
        "remove_host_replication": remove_host_replication,
        "move_replica_storage": move_replica_storage,
        "set_bandwidth_limit": set_bandwidth_limit,
        "read_network_adapters": read_network_adapters,
        "connect_network_adapter": connect_network_adapter,
        "reserve_address": reserve_address,
        "release_address": release_address,
        "write_failover_address": write_failover_address,
        "remove_host_certificates": remove_host_certificates,
        "change_replication": change_replication,
        "export_initial_replication": export_initial_replication,
        "import_initial_replication": import_initial_replication,
        "stop_initial_replication": stop_initial_replication,
        "check_replication_path": check_replication_path,
        "grant_replication_path": grant_replication_path,
        "read_first_copy": read_first_copy,
        "enable_as_replica": enable_as_replica,
        "set_allowed_primary_server": set_allowed_primary_server,
        "start_test_failover": start_test_failover,
        "stop_test_failover": stop_test_failover,
        "create_test_network": create_test_network,
        "remove_test_network": remove_test_network,
        "suspend_replication": suspend_replication,
        "resume_replication": resume_replication,
        "run_plan_script": run_plan_script,
        "check_plan_scripts": check_plan_scripts,
    }
)
"""Name of the field of Command's `verb` to the function; the names are the agent's capabilities."""


def request_of(command: Command) -> tuple[str, Message | None]:
    """The verb's name and its request; an empty name when it is none this agent knows."""
    name = command.WhichOneof("verb")
    return (name, getattr(command, name)) if name else ("", None)


def outcome_field(outcome: Message) -> str:
    """The field of CommandResult's `outcome` that carries this message.

    Raises:
        LookupError: None does; the verb is wrong.
    """
    for field in CommandResult.DESCRIPTOR.oneofs_by_name["outcome"].fields:
        if field.message_type is outcome.DESCRIPTOR:
            return field.name
    raise LookupError(f"no outcome carries a {outcome.DESCRIPTOR.name}")
