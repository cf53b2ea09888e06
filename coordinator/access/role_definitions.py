"""The roles there are: data, ASR's built-in ones with ASR's ids and rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from coordinator.access.actions import matches

_VAULTS = "Microsoft.RecoveryServices/vaults"
_FABRICS = f"{_VAULTS}/replicationFabrics"
_CONTAINERS = f"{_FABRICS}/replicationProtectionContainers"
_ITEMS = f"{_CONTAINERS}/replicationProtectedItems"
_PLANS = f"{_VAULTS}/replicationRecoveryPlans"


@dataclass(frozen=True)
class Permission:
    """Actions a role allows, less those it takes back."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        return any(matches(line, action) for line in self.actions) and not any(
            matches(line, action) for line in self.not_actions
        )


@dataclass(frozen=True)
class RoleDefinition:
    """A role.

    Attributes:
        id: Azure's id of it, which scripts have written into them.
        name: Azure's name of it.
        description: Azure's sentence about it.
        permissions: The first is Azure's own; a second has what Azure's says nothing of.
    """

    id: UUID
    name: str
    description: str
    permissions: tuple[Permission, ...]

    def allows(self, action: str) -> bool:
        return any(permission.allows(action) for permission in self.permissions)


# What ASR's Site Recovery roles have in common.
_EVERYBODY = (
    "Microsoft.Authorization/*/read",
    "Microsoft.RecoveryServices/locations/allocatedStamp/read",
    "Microsoft.RecoveryServices/Vaults/monitoringConfigurations/notificationConfiguration/read",
    "Microsoft.RecoveryServices/Vaults/read",
    "Microsoft.RecoveryServices/Vaults/refreshContainers/read",
    f"{_VAULTS}/replicationEvents/read",
    "Microsoft.RecoveryServices/Vaults/tokenInfo/read",
    "Microsoft.RecoveryServices/Vaults/usages/read",
    "Microsoft.RecoveryServices/Vaults/vaultTokens/read",
    "Microsoft.Support/*",
)
# What Contributor and Operator have beyond that.
_WHO_WORKS = (
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.RecoveryServices/locations/allocateStamp/action",
    f"{_VAULTS}/replicationJobs/*",
    "Microsoft.RecoveryServices/Vaults/monitoringAlerts/*",
    "Microsoft.ResourceHealth/availabilityStatuses/read",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Storage/storageAccounts/read",
)
# What Operator and Reader have beyond that, where Contributor has more.
_WHO_CHANGES_NOTHING = (
    "Microsoft.RecoveryServices/Vaults/extendedInformation/read",
    "Microsoft.RecoveryServices/Vaults/registeredIdentities/operationResults/read",
    "Microsoft.RecoveryServices/Vaults/registeredIdentities/read",
    f"{_VAULTS}/replicationAlertSettings/read",
    f"{_FABRICS}/read",
    f"{_FABRICS}/replicationNetworks/read",
    f"{_FABRICS}/replicationNetworks/replicationNetworkMappings/read",
    f"{_CONTAINERS}/read",
    f"{_CONTAINERS}/replicationProtectableItems/read",
    f"{_ITEMS}/read",
    f"{_ITEMS}/recoveryPoints/read",
    f"{_CONTAINERS}/replicationProtectionContainerMappings/read",
    f"{_FABRICS}/replicationRecoveryServicesProviders/read",
    f"{_FABRICS}/replicationStorageClassifications/read",
    f"{_FABRICS}/replicationStorageClassifications/replicationStorageClassificationMappings/read",
    f"{_FABRICS}/replicationvCenters/read",
    f"{_VAULTS}/replicationPolicies/read",
    f"{_PLANS}/read",
    f"{_VAULTS}/replicationVaultSettings/read",
    "Microsoft.RecoveryServices/Vaults/storageConfig/read",
)

# Reading that ASR's roles say nothing of: whole lists of a vault, what became of an operation, and
# what this product adds. Whoever may read a machine may read all that is told of it.
_READING = (
    f"{_VAULTS}/replicationRecoveryServicesProviders/read",
    f"{_VAULTS}/replicationProtectionContainers/read",
    f"{_VAULTS}/replicationProtectionContainerMappings/read",
    f"{_VAULTS}/replicationProtectedItems/read",
    f"{_VAULTS}/replicationNetworks/read",
    f"{_VAULTS}/replicationNetworkMappings/read",
    f"{_VAULTS}/replicationStorageClassifications/read",
    f"{_VAULTS}/replicationStorageClassificationMappings/read",
    f"{_VAULTS}/replicationBandwidthLimits/read",
    f"{_VAULTS}/replicationOperationStatus/read",
    f"{_VAULTS}/operationResults/read",
    f"{_VAULTS}/*/operationResults/read",
    f"{_VAULTS}/replicationVaultHealth/read",
    f"{_VAULTS}/registrationKeys/read",
    f"{_FABRICS}/replicationBandwidthLimits/read",
    f"{_FABRICS}/replicationLogicalNetworks/read",
    f"{_FABRICS}/replicationNetworks/recoveryNetworks/read",
    f"{_CONTAINERS}/pairingPrerequisites/read",
    f"{_CONTAINERS}/replicationProtectionContainerMappings/hosts/read",
    f"{_ITEMS}/operations/read",
    f"{_ITEMS}/testFailovers/read",
    f"{_ITEMS}/rpoHistory/read",
    f"{_ITEMS}/targetComputeSizes/read",
    f"{_PLANS}/revisions/read",
    # A dry run tells what would happen, and changes nothing.
    f"{_ITEMS}/dryRun/action",
    f"{_PLANS}/dryRun/action",
)
# Running and managing failovers, likewise: ASR's list is older than cancelling, and knows of no
# pauses; it lets an operator repair a replication and renew a certificate.
_OPERATING = (
    f"{_ITEMS}/failoverCancel/action",
    f"{_PLANS}/failoverCancel/action",
    f"{_ITEMS}/abandonFailover/action",
    f"{_PLANS}/abandonFailover/action",
    f"{_ITEMS}/lookBeforeFailover/action",
    f"{_PLANS}/lookBeforeFailover/action",
    f"{_ITEMS}/pauseReplication/action",
    f"{_ITEMS}/resumeReplication/action",
    f"{_ITEMS}/resynchronize/action",
    f"{_CONTAINERS}/replicationProtectionContainerMappings/renewCertificates/action",
    f"{_VAULTS}/replicationVaultHealth/refresh/action",
)
# Setting up, likewise: everything in a vault but the vault itself, its roles and its audit.
_SETTING_UP = (
    f"{_VAULTS}/registrationKeys/*",
    f"{_VAULTS}/webhooks/*",
    f"{_VAULTS}/replicationProtectionIntents/*",
    f"{_VAULTS}/replicationVaultHealth/*",
)

OWNER = RoleDefinition(
    id=UUID("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    name="Owner",
    description="Grants full access to manage all resources, including the ability to assign roles"
    " in Azure RBAC.",
    permissions=(Permission(("*",)),),
)
CONTRIBUTOR = RoleDefinition(
    id=UUID("6670b86e-a3f7-4917-ac9b-5d6ab1be4567"),
    name="Site Recovery Contributor",
    description="Lets you manage Site Recovery service except vault creation and role assignment",
    permissions=(
        Permission(
            (
                *_EVERYBODY,
                *_WHO_WORKS,
                "Microsoft.RecoveryServices/Vaults/certificates/write",
                "Microsoft.RecoveryServices/Vaults/extendedInformation/*",
                "Microsoft.RecoveryServices/Vaults/registeredIdentities/*",
                f"{_VAULTS}/replicationAlertSettings/*",
                f"{_FABRICS}/*",
                f"{_VAULTS}/replicationPolicies/*",
                f"{_PLANS}/*",
                f"{_VAULTS}/replicationVaultSettings/*",
                "Microsoft.RecoveryServices/Vaults/storageConfig/*",
                f"{_VAULTS}/replicationOperationStatus/read",
            )
        ),
        Permission((*_READING, *_OPERATING, *_SETTING_UP)),
    ),
)
OPERATOR = RoleDefinition(
    id=UUID("494ae006-db33-4328-bf46-533a6560a3ca"),
    name="Site Recovery Operator",
    description="Lets you failover and failback but not perform other Site Recovery management"
    " operations",
    permissions=(
        Permission(
            (
                *_EVERYBODY,
                *_WHO_WORKS,
                *_WHO_CHANGES_NOTHING,
                f"{_FABRICS}/checkConsistency/action",
                f"{_FABRICS}/reassociateGateway/action",
                f"{_FABRICS}/renewcertificate/action",
                f"{_ITEMS}/applyRecoveryPoint/action",
                f"{_ITEMS}/failoverCommit/action",
                f"{_ITEMS}/plannedFailover/action",
                f"{_ITEMS}/repairReplication/action",
                f"{_ITEMS}/reProtect/action",
                f"{_CONTAINERS}/switchprotection/action",
                f"{_ITEMS}/testFailover/action",
                f"{_ITEMS}/testFailoverCleanup/action",
                f"{_ITEMS}/unplannedFailover/action",
                f"{_ITEMS}/updateMobilityService/action",
                f"{_FABRICS}/replicationRecoveryServicesProviders/refreshProvider/action",
                f"{_PLANS}/failoverCommit/action",
                f"{_PLANS}/plannedFailover/action",
                f"{_PLANS}/reProtect/action",
                f"{_PLANS}/testFailover/action",
                f"{_PLANS}/testFailoverCleanup/action",
                f"{_PLANS}/unplannedFailover/action",
            )
        ),
        Permission((*_READING, *_OPERATING)),
    ),
)
READER = RoleDefinition(
    id=UUID("dbaa88c4-0c30-4179-9fb3-46319faa6149"),
    name="Site Recovery Reader",
    description="Lets you view Site Recovery status but not perform other management operations",
    permissions=(
        Permission(
            (
                *_EVERYBODY,
                *_WHO_CHANGES_NOTHING,
                "Microsoft.RecoveryServices/Vaults/monitoringAlerts/read",
                f"{_VAULTS}/replicationJobs/read",
            )
        ),
        Permission(_READING),
    ),
)

ROLES: Mapping[UUID, RoleDefinition] = {
    role.id: role for role in (OWNER, CONTRIBUTOR, OPERATOR, READER)
}


@lru_cache(maxsize=4096)
def role_allows(role_id: UUID, action: str) -> bool:
    """Whether a role allows an action; one nobody knows (any more) allows none."""
    role = ROLES.get(role_id)
    return role is not None and role.allows(action)


def role_of_name(name: str) -> RoleDefinition | None:
    """The role of that name: Azure's, or its last word ("operator"); case means nothing."""
    wanted = name.strip().lower()
    for role in ROLES.values():
        if wanted in {role.name.lower(), role.name.rpartition(" ")[2].lower(), str(role.id)}:
            return role
    return None
