"""A request for every route that takes one."""

from __future__ import annotations

from collections.abc import Sequence

from tests.integration.api.bad_input.alerts import ALERTS
from tests.integration.api.bad_input.drills import TESTS
from tests.integration.api.bad_input.dry_runs import DRY_RUNS
from tests.integration.api.bad_input.example import TOO_LONG, Example, Leaf
from tests.integration.api.bad_input.policies import POLICIES
from tests.integration.api.bad_input.roles import IN_OTHER_PLACES, ROLES
from tests.integration.api.bad_input.vaults import VAULTS

CONTAINER = "/replicationFabrics/{shanghai}/replicationProtectionContainers/{gold1}"
SILVER = "/replicationFabrics/{shanghai}/replicationProtectionContainers/{silver1}"
TARGET = "{vault}/replicationFabrics/{beijing}/replicationProtectionContainers/{silver2}"
ITEM = f"{CONTAINER}/replicationProtectedItems/{{item}}"
MACHINE = f"{{vault}}{CONTAINER}/replicationProtectableItems/{{machine}}"

NETWORKS = "/replicationFabrics/{shanghai}/replicationNetworks"
RECOVERY_NETWORK = {
    "properties": {
        "recoveryNetworkId": "{vault}/replicationFabrics/{beijing}/replicationNetworks/bj1",
        "recoveryFabricName": "{beijing}",
        "fabricSpecificDetails": {"instanceType": "VmmToVmm"},
    }
}
OPTIONAL_OF_NETWORKS: dict[Leaf, Sequence[object]] = {
    ("properties", "recoveryFabricName"): [None],
    ("properties", "fabricSpecificDetails"): [None],
    ("properties", "fabricSpecificDetails", "instanceType"): [None],
}

SCRIPT = {
    "actionName": "Start the application",
    "failoverTypes": ["PlannedFailover", "TestFailover"],
    "failoverDirections": ["PrimaryToRecovery"],
    "customDetails": {
        "instanceType": "ScriptActionDetails",
        "path": "\\RPScripts\\Start.ps1",
        "timeout": "PT5M",
        "fabricLocation": "Recovery",
        "sha256": "5e" * 32,
    },
    "failureRule": "Stop",
}
PLAN_GROUP = {
    "groupType": "Boot",
    "replicationProtectedItems": [{"id": f"{{vault}}{ITEM}"}],
    "startGroupActions": [SCRIPT],
    "endGroupActions": [
        {
            "actionName": "Look at it",
            "failoverTypes": ["TestFailover"],
            "failoverDirections": ["RecoveryToPrimary"],
            "customDetails": {
                "instanceType": "ManualActionDetails",
                "description": "See that it runs.",
                "timeout": 60,
            },
            "failureRule": "Continue",
        }
    ],
}
PLAN_ACTIONS = tuple(
    ("properties", "groups", 0, actions, 0) for actions in ("startGroupActions", "endGroupActions")
)
OPTIONAL_OF_GROUPS: dict[Leaf, Sequence[object]] = {
    ("properties", "groups", 0, "startGroupActions"): [None],
    ("properties", "groups", 0, "endGroupActions"): [None],
    **{(*action, "failureRule"): [None] for action in PLAN_ACTIONS},
    **{(*action, "customDetails", "timeout"): [None, 5] for action in PLAN_ACTIONS},
    (*PLAN_ACTIONS[0], "customDetails", "sha256"): [None],
}

EXAMPLES = (
    Example(
        name="make a recovery plan",
        method="PUT",
        path="/replicationRecoveryPlans/Another",
        body={
            "properties": {
                "primaryFabricId": "{vault}/replicationFabrics/{shanghai}",
                "recoveryFabricId": "{vault}/replicationFabrics/{beijing}",
                "failoverDeploymentModel": "NotApplicable",
                "groups": [PLAN_GROUP],
                "providerSpecificInput": [],
            }
        },
        harmless={
            **OPTIONAL_OF_GROUPS,
            ("properties", "failoverDeploymentModel"): [None],
            ("properties", "providerSpecificInput"): [None],
        },
    ),
    Example(
        name="make a recovery plan by the ids Hyper-V knows machines by",
        method="PUT",
        path="/replicationRecoveryPlans/Another",
        body={
            "properties": {
                "primaryFabricId": "{vault}/replicationFabrics/{shanghai}",
                "recoveryFabricId": "{vault}/replicationFabrics/{beijing}",
                "groups": [
                    {
                        "groupType": "Boot",
                        "replicationProtectedItems": [{"virtualMachineId": "{vm_id}"}],
                    }
                ],
            }
        },
    ),
    Example(
        name="change a recovery plan",
        method="PATCH",
        path="/replicationRecoveryPlans/Plan-1",
        body={"properties": {"groups": [PLAN_GROUP]}},
        harmless={
            **OPTIONAL_OF_GROUPS,
            ("properties",): [],
            ("properties", "groups"): [None],
        },
    ),
    Example(
        name="clone a recovery plan",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/clone",
        body={"properties": {"name": "Another"}},
    ),
    Example(
        name="resume a job",
        method="POST",
        path="/replicationJobs/{job}/resume",
        body={"properties": {"comments": "The cables are in."}},
        harmless={("properties",): [], ("properties", "comments"): [None]},
    ),
    Example(
        name="map a network",
        method="PUT",
        path=f"{NETWORKS}/sh1/replicationNetworkMappings/another",
        body=RECOVERY_NETWORK,
        harmless=OPTIONAL_OF_NETWORKS,
    ),
    Example(
        name="map a network otherwise",
        method="PATCH",
        path=f"{NETWORKS}/sh2/replicationNetworkMappings/Map-2",
        body=RECOVERY_NETWORK,
        harmless=OPTIONAL_OF_NETWORKS,
    ),
    *VAULTS,
    *ROLES,
    *ALERTS,
    Example(
        name="make a registration key",
        method="POST",
        path="/registrationKeys",
        body={"properties": {"maxUses": 3}},
        harmless={(): [None], ("properties",): []},
    ),
    Example(
        name="change a pair",
        method="PATCH",
        path=f"{CONTAINER}/replicationProtectionContainerMappings/Pair-1",
        body={"properties": {}},
    ),
    *POLICIES,
    Example(
        name="pair clouds",
        method="PUT",
        path=f"{SILVER}/replicationProtectionContainerMappings/another",
        body={
            "properties": {
                "targetProtectionContainerId": TARGET,
                "policyId": "{vault}/replicationPolicies/Policy-1",
            }
        },
    ),
    Example(
        name="protect a machine",
        method="PUT",
        path=f"{CONTAINER}/replicationProtectedItems/another",
        body={
            "properties": {
                "protectableItemId": MACHINE,
                "policyId": "{vault}/replicationPolicies/Policy-1",
            }
        },
        harmless={("properties", "policyId"): [None, ""]},
    ),
    Example(
        name="protect many machines",
        method="POST",
        path=f"{CONTAINER}/enableProtection",
        body={
            "properties": {
                "machines": [{"protectableItemId": MACHINE, "name": "another"}],
                "policyId": "{vault}/replicationPolicies/Policy-1",
            }
        },
        # What is wrong with one machine is said of that machine, and stops no other.
        harmless={
            ("properties", "policyId"): [None, ""],
            ("properties", "machines", 0, "name"): [None, TOO_LONG],
            ("properties", "machines", 0, "protectableItemId"): [
                "no-id",
                "{vault}/replicationJobs/job",
                MACHINE.rpartition("/")[0] + "/nothing-of-that-name",
                MACHINE.replace("{vault}", "{other}"),
                TOO_LONG,
            ],
        },
    ),
    Example(
        name="map a storage classification",
        method="PUT",
        path="/replicationFabrics/{shanghai}/replicationStorageClassifications/{gold}"
        "/replicationStorageClassificationMappings/another",
        body={
            "properties": {
                "targetStorageClassificationId": "{vault}/replicationFabrics/{beijing}"
                "/replicationStorageClassifications/{gold_target}"
            }
        },
    ),
    Example(
        name="limit the bandwidth",
        method="PUT",
        path="/replicationFabrics/{shanghai}/replicationBandwidthLimits/another",
        body={
            "properties": {
                "bitsPerSecond": 100_000_000,
                "timeZone": "Asia/Shanghai",
                "windows": [
                    {
                        "days": ["Monday"],
                        "start": "08:00",
                        "end": "18:00",
                        "bitsPerSecond": 20_000_000,
                    }
                ],
            }
        },
        harmless={
            ("properties", name): [None] for name in ("bitsPerSecond", "timeZone", "windows")
        },
    ),
    *(
        Example(
            name=f"{word} disks",
            method="POST",
            path=f"{ITEM}/{word}Disks",
            body={
                "properties": {
                    "providerSpecificDetails": {
                        "instanceType": "HyperVReplica2012R2",
                        "vhdIds": ["C:\\Disks\\two.vhdx"],
                    }
                }
            },
            harmless={("properties", "providerSpecificDetails", "instanceType"): [None]},
        )
        for word in ("add", "remove")
    ),
    Example(
        name="resynchronize",
        method="POST",
        path=f"{ITEM}/resynchronize",
        body={"properties": {"startTime": "2099-01-01T00:00:00Z"}},
        harmless={(): [None], ("properties", "startTime"): [None]},
    ),
    Example(
        name="resynchronize by itself",
        method="POST",
        path=f"{ITEM}/automaticResynchronization",
        body={"properties": {"enabled": True, "startTime": "22:00", "endTime": "04:00"}},
        harmless={("properties", name): [None] for name in ("startTime", "endTime")},
    ),
    Example(
        name="import a first copy",
        method="POST",
        path=f"{ITEM}/importInitialReplication",
        body={"properties": {"importPath": r"\\Files2\In"}},
    ),
    Example(
        name="fail a plan over",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/plannedFailover",
        body={"properties": {"failoverDirection": "PrimaryToRecovery"}},
        harmless={(): [None], ("properties", "failoverDirection"): [None]},
    ),
    *DRY_RUNS,
    Example(
        name="fail a plan over without counting on the source",
        method="POST",
        path="/replicationRecoveryPlans/Plan-1/unplannedFailover",
        body={
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "sourceSiteOperations": "Required",
                "providerSpecificDetails": [{"recoveryTag": "LatestAvailable"}],
            }
        },
        harmless={
            (): [None],
            ("properties", "failoverDirection"): [None],
            ("properties", "sourceSiteOperations"): [None],
            ("properties", "providerSpecificDetails"): [None],
            ("properties", "providerSpecificDetails", 0, "recoveryTag"): [None],
        },
    ),
    Example(
        name="fail over",
        method="POST",
        path=f"{ITEM}/plannedFailover",
        body={"properties": {"failoverDirection": "PrimaryToRecovery"}},
        harmless={(): [None], ("properties", "failoverDirection"): [None]},
    ),
    Example(
        name="fail over without counting on the source",
        method="POST",
        path=f"{ITEM}/unplannedFailover",
        body={
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "sourceSiteOperations": "NotRequired",
                "providerSpecificDetails": {
                    "recoveryPointId": f"{{vault}}{ITEM}/recoveryPoints/point-1",
                    "recoveryTag": "Latest",
                },
            }
        },
        harmless={
            (): [None],
            ("properties", "failoverDirection"): [None],
            ("properties", "sourceSiteOperations"): [None],
            ("properties", "providerSpecificDetails"): [None],
            ("properties", "providerSpecificDetails", "recoveryPointId"): [None],
            ("properties", "providerSpecificDetails", "recoveryTag"): [None],
        },
    ),
    Example(
        name="change the recovery point",
        method="POST",
        path=f"{ITEM}/applyRecoveryPoint",
        body={
            "properties": {
                "recoveryPointId": f"{{vault}}{ITEM}/recoveryPoints/point-1",
                "providerSpecificDetails": {
                    "recoveryPointId": f"{{vault}}{ITEM}/recoveryPoints/point-1",
                    "recoveryTag": "LatestAvailableApplicationConsistent",
                },
            }
        },
        harmless={
            ("properties", "recoveryPointId"): [None],
            ("properties", "providerSpecificDetails"): [None],
            ("properties", "providerSpecificDetails", "recoveryPointId"): [None],
            ("properties", "providerSpecificDetails", "recoveryTag"): [None],
        },
    ),
    *TESTS,
    Example(
        name="reverse",
        method="POST",
        path=f"{ITEM}/reProtect",
        body={"properties": {"failoverDirection": "RecoveryToPrimary"}},
        harmless={(): [None], ("properties", "failoverDirection"): [None]},
    ),
)

MAPPING = (
    "/replicationFabrics/{fabric_name}/replicationProtectionContainers/{container_name}"
    "/replicationProtectionContainerMappings/{mapping_name}"
)
PROTECTED_ITEM = (
    "/replicationFabrics/{fabric_name}/replicationProtectionContainers/{container_name}"
    "/replicationProtectedItems/{item_name}"
)
# Routes that take a body because clients of ASR send one, and read nothing of it.
NOT_READ = IN_OTHER_PLACES | {
    ("POST", f"{MAPPING}/remove"),
    ("POST", f"{PROTECTED_ITEM}/remove"),
}
