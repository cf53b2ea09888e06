"""Requests for the routes of dry runs."""

from __future__ import annotations

from tests.integration.api.bad_input.example import TOO_LONG, Example

ITEM = (
    "/replicationFabrics/{shanghai}/replicationProtectionContainers/{gold1}"
    "/replicationProtectedItems/{item}"
)

DRY_RUNS = (
    Example(
        name="check a plan",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/dryRun",
        body={
            "properties": {
                "failoverType": "UnplannedFailover",
                "failoverDirection": "PrimaryToRecovery",
                "sourceSiteOperations": "Required",
            }
        },
        harmless={
            ("properties", "failoverDirection"): [None],
            ("properties", "sourceSiteOperations"): [None],
        },
    ),
    Example(
        name="check a test of a plan in a network",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/dryRun",
        body={
            "properties": {
                "failoverType": "TestFailover",
                "networkType": "VmNetworkAsInput",
                "networkId": "bj2",
            }
        },
        # A network that there is not is found by the check, not refused.
        harmless={
            ("properties", "networkType"): [None],
            ("properties", "networkId"): [None, TOO_LONG],
        },
    ),
    Example(
        name="check a failover of a machine",
        method="POST",
        path=f"{ITEM}/dryRun",
        body={
            "properties": {
                "failoverType": "PlannedFailover",
                "failoverDirection": "PrimaryToRecovery",
            }
        },
        harmless={("properties", "failoverDirection"): [None]},
    ),
    Example(
        name="check a failover of a machine without counting on the source",
        method="POST",
        path=f"{ITEM}/dryRun",
        body={
            "properties": {
                "failoverType": "UnplannedFailover",
                "sourceSiteOperations": "NotRequired",
            }
        },
        harmless={("properties", "sourceSiteOperations"): [None]},
    ),
    Example(
        name="check a test of a machine in a network",
        method="POST",
        path=f"{ITEM}/dryRun",
        body={
            "properties": {
                "failoverType": "TestFailover",
                "networkType": "VmNetworkAsInput",
                "networkId": "bj2",
            }
        },
        # A network that there is not is found by the check, not refused.
        harmless={
            ("properties", "networkType"): [None],
            ("properties", "networkId"): [None, TOO_LONG],
        },
    ),
    Example(
        name="look at the servers of a plan",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/lookBeforeFailover",
        body={"properties": {"networkId": "bj2"}},
        harmless={(): [None], ("properties", "networkId"): [None, TOO_LONG]},
    ),
    Example(
        name="look at the servers of a machine",
        method="POST",
        path=f"{ITEM}/lookBeforeFailover",
        body={"properties": {"networkId": "bj2"}},
        harmless={(): [None], ("properties", "networkId"): [None, TOO_LONG]},
    ),
)
