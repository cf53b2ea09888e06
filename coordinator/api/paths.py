"""Addresses and ids of resources, in Azure Resource Manager's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

T = TypeVar("T")

NAMESPACE = "Microsoft.RecoveryServices"
AUTHORIZATION = "Microsoft.Authorization"
NAMESPACES: Mapping[str, str] = {name.lower(): name for name in (NAMESPACE, AUTHORIZATION)}

# Address patterns of the routes.
SUBSCRIPTION = "/subscriptions/{subscription_id}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{resource_group}}"
VAULT = f"{GROUP}/providers/{NAMESPACE}/vaults/{{vault_name}}"
FABRIC = f"{VAULT}/replicationFabrics/{{fabric_name}}"
PROVIDER = f"{FABRIC}/replicationRecoveryServicesProviders/{{provider_name}}"
CONTAINER = f"{FABRIC}/replicationProtectionContainers/{{container_name}}"
PROTECTABLE_ITEM = f"{CONTAINER}/replicationProtectableItems/{{protectable_item_name}}"
MAPPING = f"{CONTAINER}/replicationProtectionContainerMappings/{{mapping_name}}"
PROTECTED_ITEM = f"{CONTAINER}/replicationProtectedItems/{{item_name}}"
RECOVERY_POINT = f"{PROTECTED_ITEM}/recoveryPoints/{{point_name}}"
STORAGE_CLASSIFICATION = (
    f"{FABRIC}/replicationStorageClassifications/{{storage_classification_name}}"
)
STORAGE_MAPPING = (
    f"{STORAGE_CLASSIFICATION}/replicationStorageClassificationMappings/{{storage_mapping_name}}"
)
BANDWIDTH_LIMIT = f"{FABRIC}/replicationBandwidthLimits/{{limit_name}}"
LOGICAL_NETWORK = f"{FABRIC}/replicationLogicalNetworks/{{logical_network_name}}"
NETWORK = f"{FABRIC}/replicationNetworks/{{network_name}}"
NETWORK_MAPPING = f"{NETWORK}/replicationNetworkMappings/{{network_mapping_name}}"
RECOVERY_NETWORK = f"{NETWORK}/recoveryNetworks/{{recovery_network_name}}"
POLICY = f"{VAULT}/replicationPolicies/{{policy_name}}"
RECOVERY_PLAN = f"{VAULT}/replicationRecoveryPlans/{{plan_name}}"
JOB = f"{VAULT}/replicationJobs/{{job_name}}"
EVENT = f"{VAULT}/replicationEvents/{{event_name}}"
AUDIT_RECORD = f"{VAULT}/auditRecords/{{record_name}}"
ALERT_SETTING = f"{VAULT}/replicationAlertSettings/{{setting_name}}"
WEBHOOK = f"{VAULT}/webhooks/{{webhook_name}}"
REGISTRATION_KEY = f"{VAULT}/registrationKeys/{{key_name}}"

# Every word that has a fixed meaning somewhere in an address. Clients may write it in any case.
WORDS: Mapping[str, str] = {
    word.lower(): word
    for word in (
        "subscriptions",
        "resourceGroups",
        "roleAssignments",
        "roleDefinitions",
        "providers",
        "vaults",
        "replicationFabrics",
        "replicationRecoveryServicesProviders",
        "replicationProtectionContainers",
        "replicationProtectableItems",
        "replicationProtectionContainerMappings",
        "replicationProtectedItems",
        "replicationPolicies",
        "replicationStorageClassifications",
        "replicationStorageClassificationMappings",
        "replicationBandwidthLimits",
        "replicationLogicalNetworks",
        "replicationNetworks",
        "replicationNetworkMappings",
        "recoveryNetworks",
        "replicationRecoveryPlans",
        "clone",
        "revisions",
        "restore",
        "replicationJobs",
        "replicationEvents",
        "replicationAlertSettings",
        "webhooks",
        "deliveries",
        "redeliver",
        "rotateSecret",
        "test",
        "cancel",
        "restart",
        "resume",
        "replicationOperationStatus",
        "operationresults",
        "recoveryPoints",
        "registrationKeys",
        "dryRun",
        "lookBeforeFailover",
        "testFailover",
        "testFailoverCleanup",
        "testFailovers",
        "plannedFailover",
        "unplannedFailover",
        "applyRecoveryPoint",
        "failoverCancel",
        "abandonFailover",
        "operations",
        "repairReplication",
        "pauseReplication",
        "resumeReplication",
        "resynchronize",
        "automaticResynchronization",
        "addDisks",
        "removeDisks",
        "rpoHistory",
        "failoverCommit",
        "importInitialReplication",
        "exportInitialReplication",
        "reProtect",
        "revoke",
        "checkConsistency",
        "refreshProvider",
        "pairingPrerequisites",
        "renewCertificates",
        "hosts",
        "remove",
        "enableProtection",
        "startInitialReplication",
        "renewCertificate",
        "reassociateGateway",
        "removeInfra",
        "migratetoaad",
        "discoverProtectableItem",
        "switchprotection",
        "switchClusterProtection",
        "replicationMigrationItems",
        "migrationRecoveryPoints",
        "migrate",
        "resync",
        "testMigrate",
        "testMigrateCleanup",
        "replicationvCenters",
        "replicationAppliances",
        "replicationSupportedOperatingSystems",
        "replicationProtectionIntents",
        "replicationProtectionClusters",
        "replicationEligibilityResults",
        "virtualMachines",
        "targetComputeSizes",
        "updateMobilityService",
        "reinstallMobilityService",
        "updateAppliance",
        "switchProvider",
        "resolveHealthErrors",
        "replicationVaultHealth",
        "refresh",
        "replicationVaultSettings",
        "export",
        "file",
        "usages",
        "replicationUsages",
        "extendedInformation",
        "registeredIdentities",
        "privateLinkResources",
        "certificates",
        "locations",
        "capabilities",
        "checkNameAvailability",
        "deletedVaults",
        "undelete",
        "operationStatus",
        "auditRecords",
        "auditHead",
    )
}


def canonical_path(path: str) -> str:
    """An address with its fixed words in the case the routes have them; names stay as they are.

    Addresses are word, name, word, name ...; the name after "providers" is the namespace.
    """
    segments = path.split("/")
    for index in range(1, len(segments), 2):
        segments[index] = WORDS.get(segments[index].lower(), segments[index])
        if segments[index] == "providers" and index + 1 < len(segments):
            name = segments[index + 1]
            segments[index + 1] = NAMESPACES.get(name.lower(), name)
    return "/".join(segments)


@dataclass(frozen=True)
class VaultId:
    """Who a vault is in addresses; makes the ids of what is in it."""

    subscription_id: str
    resource_group: str
    name: str

    @cached_property
    def id(self) -> str:
        return VAULT.format(
            subscription_id=self.subscription_id,
            resource_group=self.resource_group,
            vault_name=self.name,
        )

    def child(self, pattern: str, **names: str) -> str:
        """Id of a resource of the vault.

        Args:
            pattern: One of the patterns of this module.
            names: Names the pattern wants beyond the vault's own.
        """
        return self.id + pattern.removeprefix(VAULT).format(**names)


def resource_type(resource_id: str) -> str:
    """ARM's type of an id: "Microsoft.RecoveryServices/vaults/replicationFabrics"."""
    _, _, rest = resource_id.rpartition("/providers/")
    segments = rest.split("/")
    return "/".join([segments[0], *segments[1::2]])


def names_in(pattern: str, resource_id: str) -> dict[str, str] | None:
    """Takes an id apart.

    Args:
        pattern: What kind of resource it must be.
        resource_id: An id as a client sent it; fixed words in any case.

    Returns:
        Names by the words in braces of the pattern; None when it is no id of that kind.
    """
    wanted = pattern.split("/")
    given = canonical_path(resource_id.rstrip("/")).split("/")
    if len(wanted) != len(given):
        return None
    names: dict[str, str] = {}
    for word, segment in zip(wanted, given, strict=True):
        if word.startswith("{"):
            if not segment:
                return None
            names[word.strip("{}")] = segment
        elif word != segment:
            return None
    return names
