"""Roles, and who has them, in answers."""

from __future__ import annotations

from typing_extensions import TypedDict

from coordinator.access.services import RoleAssignment, RoleDefinition
from coordinator.api.paths import AUTHORIZATION
from coordinator.api.shapes.envelope import ArmId, Time, written_time

DEFINITIONS = f"/providers/{AUTHORIZATION}/roleDefinitions"
ASSIGNMENTS = f"/providers/{AUTHORIZATION}/roleAssignments"


class RolePermission(TypedDict):
    actions: list[str]
    notActions: list[str]
    dataActions: list[str]
    notDataActions: list[str]


class RoleDefinitionProperties(TypedDict):
    roleName: str
    type: str
    description: str
    assignableScopes: list[str]
    permissions: list[RolePermission]


class RoleDefinitionResource(TypedDict):
    """A role: what it allows."""

    id: ArmId
    name: str
    type: str
    properties: RoleDefinitionProperties


class RoleAssignmentProperties(TypedDict):
    roleDefinitionId: ArmId
    principalId: str
    principalType: str
    scope: str
    condition: None
    conditionVersion: None
    createdOn: Time
    updatedOn: Time
    createdBy: str
    updatedBy: str


class RoleAssignmentResource(TypedDict):
    """Who has which role where."""

    id: ArmId
    name: str
    type: str
    properties: RoleAssignmentProperties


def role_definition_resource(role: RoleDefinition, scope: str) -> RoleDefinitionResource:
    """A role as Azure's Authorization API writes it.

    Args:
        role: The role.
        scope: ARM id of the place asked about; "" for none.
    """
    return {
        "id": f"{scope}{DEFINITIONS}/{role.id}",
        "name": str(role.id),
        "type": f"{AUTHORIZATION}/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": [
                {
                    "actions": list(permission.actions),
                    "notActions": list(permission.not_actions),
                    "dataActions": [],
                    "notDataActions": [],
                }
                for permission in role.permissions
            ],
        },
    }


def role_assignment_resource(assignment: RoleAssignment, scope: str) -> RoleAssignmentResource:
    """Who has a role where.

    Args:
        assignment: The assignment.
        scope: ARM id of the place it was given in.
    """
    subscription = f"/subscriptions/{assignment.subscription_id}"
    return {
        "id": f"{scope}{ASSIGNMENTS}/{assignment.id}",
        "name": str(assignment.id),
        "type": f"{AUTHORIZATION}/roleAssignments",
        "properties": {
            "roleDefinitionId": f"{subscription}{DEFINITIONS}/{assignment.role_id}",
            "principalId": str(assignment.principal_id),
            "principalType": assignment.principal_type,
            "scope": scope,
            "condition": None,
            "conditionVersion": None,
            "createdOn": written_time(assignment.created_at),
            "updatedOn": written_time(assignment.created_at),
            "createdBy": assignment.created_by,
            "updatedBy": assignment.created_by,
        },
    }
