"""Requests about a vault as a whole, and about what ASR keeps for machines at their target."""

from __future__ import annotations

from tests.integration.api.bad_input.example import Example

ITEM = (
    "/replicationFabrics/{shanghai}/replicationProtectionContainers/{gold1}"
    "/replicationProtectedItems/{item}"
)
PROPERTIES = ("properties",)
NIC = ("properties", "vmNics", 0)
ADDRESS = (*NIC, "ipConfigs", 0)
# Each chooses nothing, so that the update changes nothing.
UNSET = (
    "recoveryAzureVMSize",
    "selectedRecoveryAzureNetworkId",
    "selectedTfoAzureNetworkId",
    "enableRdpOnTargetOption",
    "licenseType",
    "recoveryAvailabilitySetId",
)

VAULTS = (
    Example(
        name="make a vault",
        method="PUT",
        path="",
        body={"location": "here", "tags": {"site": "Shanghai"}},
        harmless={("tags",): [None]},
    ),
    Example(
        name="give a vault other tags",
        method="PATCH",
        path="",
        body={"tags": {"site": "Shanghai"}, "location": "here"},
        harmless={("tags",): [None], ("location",): [None]},
    ),
    Example(
        name="keep a vault's settings",
        method="PUT",
        path="/replicationVaultSettings/default",
        body={"properties": {"migrationSolutionId": "", "vmwareToAzureProviderType": ""}},
        harmless={
            (*PROPERTIES, name): [None]
            for name in ("migrationSolutionId", "vmwareToAzureProviderType")
        },
    ),
    Example(
        name="export jobs",
        method="POST",
        path="/replicationJobs/export",
        body={
            "startTime": "2026-01-01T00:00:00Z",
            "endTime": "2026-02-01T00:00:00Z",
            "fabricId": "{vault}/replicationFabrics/{shanghai}",
            "affectedObjectTypes": "ProtectionEntity",
            "jobStatus": "Failed,Cancelled",
            "jobOutputType": "Json",
            "jobName": "Planned failover",
            "timezoneOffset": 480,
        },
        harmless={
            ("timezoneOffset",): [None, 1.5, -1],
            **{
                (name,): [None]
                for name in (
                    "startTime",
                    "endTime",
                    "fabricId",
                    "affectedObjectTypes",
                    "jobStatus",
                    "jobOutputType",
                    "jobName",
                )
            },
        },
    ),
    Example(
        name="renew a server's certificates",
        method="POST",
        path="/replicationFabrics/{shanghai}/renewCertificate",
        body={"properties": {"renewCertificateType": "Cloud"}},
        harmless={(): [None], (*PROPERTIES, "renewCertificateType"): [None]},
    ),
    Example(
        name="update a protected item",
        method="PATCH",
        path=ITEM,
        body={
            "properties": {
                "recoveryAzureVMName": "GoldVM1",
                "selectedSourceNicId": "nic-1",
                **dict.fromkeys(UNSET, ""),
                "vmNics": [
                    {
                        "nicId": "nic-1",
                        "selectionType": "SelectedByUser",
                        "ipConfigs": [
                            {
                                "recoverySubnetName": "Frontend",
                                "recoveryStaticIPAddress": "10.1.0.15",
                            }
                        ],
                    }
                ],
                "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2"},
            }
        },
        harmless={
            (*PROPERTIES, "recoveryAzureVMName"): [None],
            (*PROPERTIES, "selectedSourceNicId"): [None],
            **{(*PROPERTIES, name): [None] for name in UNSET},
            (*PROPERTIES, "vmNics"): [None],
            (*NIC, "selectionType"): [None],
            (*NIC, "ipConfigs"): [None],
            (*ADDRESS, "recoverySubnetName"): [None],
            (*ADDRESS, "recoveryStaticIPAddress"): [None],
            (*PROPERTIES, "providerSpecificDetails"): [None],
        },
    ),
)
