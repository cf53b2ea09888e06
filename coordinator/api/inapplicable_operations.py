"""Operations of Microsoft's clients that mean nothing between two VMM sites, and why: data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.api.paths import (
    CONTAINER,
    FABRIC,
    GROUP,
    NAMESPACE,
    PROTECTED_ITEM,
    PROVIDER,
    SUBSCRIPTION,
    VAULT,
)


@dataclass(frozen=True)
class Reason:
    """Why operations do not apply.

    Attributes:
        subject: What they are about, as the subject of "... does not apply to ...".
        cause: The fact behind it, in one sentence.
        action: What to do instead.
    """

    subject: str
    cause: str
    action: str


@dataclass(frozen=True)
class InapplicableOperation:
    """One operation.

    Attributes:
        method: HTTP method.
        pattern: Address, as routes have it.
        reason: Why it does not apply.
    """

    method: str
    pattern: str
    reason: Reason


MIGRATION = Reason(
    "Migration to Azure",
    "Machines of VMM clouds are protected at a second site, and moved nowhere.",
    "Protect the machine: PUT replicationProtectedItems in the container of its cloud.",
)
VMWARE = Reason(
    "Replication of VMware and physical machines",
    "Hyper-V hosts replicate machines themselves: there are no vCenter servers, process servers, "
    "appliances or mobility agents.",
    "Leave the operation out; servers are listed under replicationFabrics.",
)
AZURE = Reason(
    "Replication of Azure machines, or to Azure",
    "Both sites are VMM servers with clouds of Hyper-V hosts; nothing is kept in Azure.",
    "Leave the operation out; what can be done with a machine is in its allowedOperations.",
)
CLUSTERS = Reason(
    "Replication of clusters of machines with shared disks",
    "Hyper-V Replica copies each machine by itself, and none with shared disks.",
    "Protect the machines one by one and put them into one group of a recovery plan.",
)
REGISTRATION = Reason(
    "Adding a server through the API",
    "A VMM server registers itself: its agent proves with a key of the vault that it belongs here.",
    "Make a key (POST registrationKeys), then register the agent on the VMM server with it.",
)
CLOUDS = Reason(
    "Making and removing protection containers",
    "A container is a cloud of a VMM server; the vault shows the clouds that VMM has.",
    "Make or delete the cloud in VMM; refreshProvider has the vault look at once.",
)
DISCOVERY = Reason(
    "Adding single machines to a container",
    "The machines of a cloud are those VMM has in it.",
    "Put the machine into the cloud in VMM; refreshProvider has the vault look at once.",
)
HEALTH = Reason(
    "Marking health errors as resolved",
    "Health is what was seen last on the hosts.",
    "Remove the cause that the error names; the error goes with the next look.",
)
IDENTITY = Reason(
    "Moving a server's identity to Azure Active Directory",
    "A server proves who it is with a certificate of this installation.",
    "Leave the operation out; agents renew their certificates by themselves.",
)
BACKUP = Reason(
    "A vault's part in Azure Backup",
    "A vault here holds disaster recovery only, and has no quotas, private endpoints or extended "
    "information.",
    "Leave the operation out; what is in the vault is listed under it.",
)
USAGES = Reason(
    "The usage summary of a vault",
    "It counts what is billed and backed up in Azure.",
    "Read replicationVaultHealth, which counts what is in the vault and how it fares.",
)
VAULT_CERTIFICATES = Reason(
    "A certificate for the vault",
    "Servers register with a key file of the vault, which needs no certificate.",
    "Make a key: POST registrationKeys.",
)
DELETED_VAULTS = Reason(
    "Bringing deleted vaults back",
    "A vault can only be deleted when nothing is left in it, and is then gone.",
    "Make a new vault.",
)
AT_ONCE = Reason(
    "Following operations on vaults",
    "Vaults are made, changed and deleted at once.",
    "Read the vault itself.",
)

VCENTERS = f"{FABRIC}/replicationvCenters"
VCENTER = f"{VCENTERS}/{{vcenter_name}}"
MIGRATION_ITEMS = f"{CONTAINER}/replicationMigrationItems"
MIGRATION_ITEM = f"{MIGRATION_ITEMS}/{{migration_item_name}}"
MIGRATION_POINTS = f"{MIGRATION_ITEM}/migrationRecoveryPoints"
PROTECTION_CLUSTERS = f"{CONTAINER}/replicationProtectionClusters"
PROTECTION_CLUSTER = f"{PROTECTION_CLUSTERS}/{{cluster_name}}"
CLUSTER_POINTS = f"{PROTECTION_CLUSTER}/recoveryPoints"
INTENTS = f"{VAULT}/replicationProtectionIntents"
INTENT = f"{INTENTS}/{{intent_name}}"
ELIGIBILITY = (
    f"{GROUP}/providers/Microsoft.Compute/virtualMachines/{{machine_name}}"
    f"/providers/{NAMESPACE}/replicationEligibilityResults"
)
EXTENDED = f"{VAULT}/extendedInformation/{{information_name}}"
LOCATION = f"{SUBSCRIPTION}/providers/{NAMESPACE}/locations/{{location}}"
DELETED = f"{LOCATION}/deletedVaults"
DELETED_VAULT = f"{DELETED}/{{deleted_vault_name}}"

# By reason: the addresses, each after the methods it has.
_TABLE: tuple[tuple[Reason, tuple[tuple[str, str], ...]], ...] = (
    (
        MIGRATION,
        (
            ("GET", f"{VAULT}/replicationMigrationItems"),
            ("GET", MIGRATION_ITEMS),
            ("GET PUT PATCH DELETE", MIGRATION_ITEM),
            ("POST", f"{MIGRATION_ITEM}/migrate"),
            ("POST", f"{MIGRATION_ITEM}/pauseReplication"),
            ("POST", f"{MIGRATION_ITEM}/resumeReplication"),
            ("POST", f"{MIGRATION_ITEM}/resync"),
            ("POST", f"{MIGRATION_ITEM}/testMigrate"),
            ("POST", f"{MIGRATION_ITEM}/testMigrateCleanup"),
            ("GET", MIGRATION_POINTS),
            ("GET", f"{MIGRATION_POINTS}/{{point_name}}"),
        ),
    ),
    (
        VMWARE,
        (
            ("GET", f"{VAULT}/replicationvCenters"),
            ("GET", VCENTERS),
            ("GET PUT PATCH DELETE", VCENTER),
            ("GET", f"{VAULT}/replicationAppliances"),
            ("GET", f"{VAULT}/replicationSupportedOperatingSystems"),
            ("POST", f"{FABRIC}/reassociateGateway"),
            ("POST", f"{FABRIC}/removeInfra"),
            ("POST", f"{PROTECTED_ITEM}/updateMobilityService"),
            ("POST", f"{PROTECTED_ITEM}/reinstallMobilityService"),
            ("POST", f"{PROTECTED_ITEM}/updateAppliance"),
            ("POST", f"{PROTECTED_ITEM}/switchProvider"),
        ),
    ),
    (
        AZURE,
        (
            ("GET", ELIGIBILITY),
            ("GET", f"{ELIGIBILITY}/{{result_name}}"),
            ("GET", f"{PROTECTED_ITEM}/targetComputeSizes"),
            ("POST", f"{CONTAINER}/switchprotection"),
            ("GET", INTENTS),
            ("GET PUT", INTENT),
        ),
    ),
    (
        CLUSTERS,
        (
            ("GET", f"{VAULT}/replicationProtectionClusters"),
            ("GET", PROTECTION_CLUSTERS),
            ("GET PUT DELETE", PROTECTION_CLUSTER),
            ("GET", f"{PROTECTION_CLUSTER}/operationresults/{{job_name}}"),
            ("POST", f"{PROTECTION_CLUSTER}/applyRecoveryPoint"),
            ("POST", f"{PROTECTION_CLUSTER}/failoverCommit"),
            ("POST", f"{PROTECTION_CLUSTER}/repairReplication"),
            ("POST", f"{PROTECTION_CLUSTER}/testFailover"),
            ("POST", f"{PROTECTION_CLUSTER}/testFailoverCleanup"),
            ("POST", f"{PROTECTION_CLUSTER}/unplannedFailover"),
            ("POST", f"{CONTAINER}/switchClusterProtection"),
            ("GET", CLUSTER_POINTS),
            ("GET", f"{CLUSTER_POINTS}/{{point_name}}"),
        ),
    ),
    (REGISTRATION, (("PUT", FABRIC), ("PUT", PROVIDER))),
    (CLOUDS, (("PUT", CONTAINER), ("POST", f"{CONTAINER}/remove"))),
    (DISCOVERY, (("POST", f"{CONTAINER}/discoverProtectableItem"),)),
    (HEALTH, (("POST", f"{PROTECTED_ITEM}/resolveHealthErrors"),)),
    (IDENTITY, (("POST", f"{FABRIC}/migratetoaad"),)),
    (
        BACKUP,
        (
            ("GET", f"{VAULT}/usages"),
            ("GET PUT PATCH", EXTENDED),
            ("DELETE", f"{VAULT}/registeredIdentities/{{identity_name}}"),
            ("GET", f"{VAULT}/privateLinkResources"),
            ("GET", f"{VAULT}/privateLinkResources/{{link_name}}"),
            ("POST", f"{LOCATION}/capabilities"),
            (
                "POST",
                f"{GROUP}/providers/{NAMESPACE}/locations/{{location}}/checkNameAvailability",
            ),
        ),
    ),
    (USAGES, (("GET", f"{VAULT}/replicationUsages"),)),
    (VAULT_CERTIFICATES, (("PUT", f"{VAULT}/certificates/{{certificate_name}}"),)),
    (
        DELETED_VAULTS,
        (
            ("GET", DELETED),
            ("GET", DELETED_VAULT),
            ("POST", f"{DELETED_VAULT}/undelete"),
            ("GET", f"{DELETED_VAULT}/operations/{{operation_name}}"),
        ),
    ),
    (
        AT_ONCE,
        (
            ("GET", f"{VAULT}/operationStatus/{{operation_name}}"),
            ("GET", f"{VAULT}/operationresults/{{operation_name}}"),
        ),
    ),
)


def _operations() -> Iterator[InapplicableOperation]:
    for reason, addresses in _TABLE:
        for methods, pattern in addresses:
            for method in methods.split():
                yield InapplicableOperation(method, pattern, reason)


OPERATIONS = tuple(_operations())
