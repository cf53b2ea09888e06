"""Roles, and who has them, in answers."""

from __future__ import annotations

from coordinator.access.services import RoleAssignment, RoleDefinition
from coordinator.api.paths import AUTHORIZATION
from coordinator.api.shapes.envelope import Resource, written_time

DEFINITIONS = f"/providers/{AUTHORIZATION}/roleDefinitions"
ASSIGNMENTS = f"/providers/{AUTHORIZATION}/roleAssignments"


def role_definition_resource(role: RoleDefinition, scope: str) -> Resource:
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


def role_assignment_resource(assignment: RoleAssignment, scope: str) -> Resource:
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
