"""Requests that test failovers and clean up."""

from __future__ import annotations

from tests.integration.api.bad_input.example import Example

ITEM = (
    "/replicationFabrics/{shanghai}/replicationProtectionContainers/{gold1}"
    "/replicationProtectedItems/{item}"
)
TEST_NETWORK = "{vault}/replicationFabrics/{beijing}/replicationNetworks/bj2"

TESTS: tuple[Example, ...] = (
    Example(
        name="test a machine",
        method="POST",
        path=f"{ITEM}/testFailover",
        body={
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "networkType": "VmNetworkAsInput",
                "networkId": TEST_NETWORK,
                "providerSpecificDetails": {
                    "recoveryPointId": f"{{vault}}{ITEM}/recoveryPoints/point-1",
                    "recoveryTag": "Latest",
                },
            }
        },
        harmless={
            (): [None],
            ("properties", "failoverDirection"): [None],
            ("properties", "networkType"): [None],
            ("properties", "providerSpecificDetails"): [None],
            ("properties", "providerSpecificDetails", "recoveryPointId"): [None],
            ("properties", "providerSpecificDetails", "recoveryTag"): [None],
        },
    ),
    Example(
        name="clean up a test",
        method="POST",
        path=f"{ITEM}/testFailoverCleanup",
        body={"properties": {"comments": "It came up."}},
        harmless={
            (): [None],
            ("properties", "comments"): [None],
        },
    ),
    Example(
        name="test a plan",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/testFailover",
        body={
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "networkType": "VmNetworkAsInput",
                "networkId": TEST_NETWORK,
                "providerSpecificDetails": [{"recoveryTag": "LatestAvailable"}],
            }
        },
        harmless={
            (): [None],
            ("properties", "failoverDirection"): [None],
            ("properties", "networkType"): [None],
            ("properties", "providerSpecificDetails"): [None],
            ("properties", "providerSpecificDetails", 0, "recoveryTag"): [None],
        },
    ),
    Example(
        name="clean up the tests of a plan",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/testFailoverCleanup",
        body={"properties": {"comments": "All came up."}},
        harmless={
            (): [None],
            ("properties", "comments"): [None],
        },
    ),
)
