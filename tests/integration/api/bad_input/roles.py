"""Requests about who may do what."""

from __future__ import annotations

from coordinator.access.services import READER
from coordinator.api.paths import GROUP, SUBSCRIPTION
from coordinator.api.shapes.roles import ASSIGNMENTS, DEFINITIONS
from tests.integration.api.bad_input.example import Example

ROLES = (
    Example(
        name="give a role",
        method="PUT",
        path=f"{ASSIGNMENTS}/7b5c5b0e-54c7-4a0e-9d5c-2f0f5d0a2f11",
        body={
            "properties": {
                "roleDefinitionId": f"{DEFINITIONS}/{READER.id}",
                "principalId": "{principal}",
                "condition": "",
            }
        },
        harmless={("properties", "condition"): [None]},
    ),
)
# Read by the same function in every place, so the vault's example is enough.
IN_OTHER_PLACES = frozenset(
    ("PUT", f"{place}{ASSIGNMENTS}/{{role_name}}") for place in (SUBSCRIPTION, GROUP)
)
