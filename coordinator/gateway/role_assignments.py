"""Roles of copies as agents are told them."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1.role_pb2 import (
    HeldAdapter,
    Role,
    RoleAssignment,
    RoleAssignments,
)

from coordinator.protection.queries import RoleOfCopy


def assignments_of(roles: Iterable[RoleOfCopy]) -> RoleAssignments:
    """The wire's message of all roles of a fabric."""
    return RoleAssignments(assignments=[_assignment(role) for role in roles])


def _assignment(role: RoleOfCopy) -> RoleAssignment:
    return RoleAssignment(
        item_id=role.item_id,
        vm_id=role.vm_id,
        location=role.location,
        host=role.host,
        epoch=role.epoch,
        role=Role.Value(role.role),
        automatic_start_action=role.start_action,
        automatic_start_delay=Duration(seconds=role.start_delay_seconds),
        held_adapters=[
            HeldAdapter(
                adapter_id=adapter.adapter_id,
                name=adapter.name,
                switch_name=adapter.switch_name,
            )
            for adapter in role.held_adapters
        ],
    )
