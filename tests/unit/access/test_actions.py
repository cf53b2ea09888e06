"""Actions of routes, and lines of roles that mean them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.access.actions import action_of, matches
from coordinator.api.paths import (
    FABRIC,
    GROUP,
    JOB,
    PROTECTED_ITEM,
    RECOVERY_PLAN,
    SUBSCRIPTION,
    VAULT,
)

pytestmark = pytest.mark.spec("AC-1")
NS = "Microsoft.RecoveryServices"
ITEM = f"{NS}/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"
AUTHORIZATION = "providers/Microsoft.Authorization/roleAssignments"


@pytest.mark.parametrize(
    ("method", "route", "action"),
    [
        ("GET", VAULT, f"{NS}/vaults/read"),
        ("GET", f"{SUBSCRIPTION}/providers/{NS}/vaults", f"{NS}/vaults/read"),
        ("GET", f"{GROUP}/providers/{NS}/vaults", f"{NS}/vaults/read"),
        ("PUT", VAULT, f"{NS}/vaults/write"),
        ("PATCH", VAULT, f"{NS}/vaults/write"),
        ("DELETE", VAULT, f"{NS}/vaults/delete"),
        ("GET", f"{VAULT}/replicationFabrics", f"{NS}/vaults/replicationFabrics/read"),
        ("POST", f"{FABRIC}/remove", f"{NS}/vaults/replicationFabrics/remove/action"),
        ("POST", f"{PROTECTED_ITEM}/plannedFailover", f"{ITEM}/plannedFailover/action"),
        (
            "POST",
            f"{RECOVERY_PLAN}/testFailoverCleanup",
            f"{NS}/vaults/replicationRecoveryPlans/testFailoverCleanup/action",
        ),
        ("POST", f"{JOB}/cancel", f"{NS}/vaults/replicationJobs/cancel/action"),
        (
            "POST",
            f"{VAULT}/replicationJobs/export",
            f"{NS}/vaults/replicationJobs/export/action",
        ),
        (
            "POST",
            f"{VAULT}/replicationVaultHealth/default/refresh",
            f"{NS}/vaults/replicationVaultHealth/refresh/action",
        ),
        (
            "GET",
            f"subscriptions/<subscription_id>/providers/{NS}/vaults/<name>/replicationJobs/<job>",
            f"{NS}/vaults/replicationJobs/read",
        ),
        (
            "PUT",
            f"{VAULT}/{AUTHORIZATION}/{{assignment}}",
            "Microsoft.Authorization/roleAssignments/write",
        ),
        ("GET", f"/providers/{NS}/operations", f"{NS}/operations/read"),
        ("GET", SUBSCRIPTION, "Microsoft.Resources/subscriptions/read"),
        ("TRACE", VAULT, f"{NS}/vaults/TRACE"),
    ],
)
def test_a_route_is_an_action_by_the_convention(method: str, route: str, action: str) -> None:
    assert action_of(method, route) == action


@pytest.mark.parametrize(
    ("line", "action", "meant"),
    [
        ("*", f"{NS}/vaults/delete", True),
        (f"{NS}/Vaults/read", f"{NS}/vaults/read", True),
        (f"{NS}/vaults/read", f"{NS}/vaults/replicationJobs/read", False),
        (f"{NS}/vaults/replicationJobs/*", f"{NS}/vaults/replicationJobs/cancel/action", True),
        (f"{NS}/vaults/replicationJobs/*", f"{NS}/vaults/replicationJobs", False),
        (f"{NS}/vaults/*/operationresults/read", f"{ITEM}/operationresults/read", True),
        ("Microsoft.Authorization/*/read", "Microsoft.Authorization/roleAssignments/read", True),
        ("Microsoft.Authorization/*/read", "Microsoft.Authorization/roleAssignments/write", False),
        (f"{NS}/vaults/rea.", f"{NS}/vaults/read", False),
    ],
)
def test_a_line_of_a_role_means_actions(line: str, action: str, *, meant: bool) -> None:
    assert matches(line, action) is meant


@given(st.lists(st.text("ab./+", min_size=1), min_size=1), st.text("xyz/", max_size=5))
def test_a_star_stands_for_any_text(parts: list[str], between: str) -> None:
    assert matches("*".join(parts), between.join(parts))
