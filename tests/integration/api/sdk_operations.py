"""Every operation of Microsoft's two clients: which apply between two VMM sites, which do not.

`python -m tests.integration.api.sdk_operations` writes the table of the documentation anew.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.mgmt.recoveryservices import RecoveryServicesClient
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient

from tests.integration.api.sdk_calls import calls_in_tests

PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "api.md"
BEGIN, END = "<!-- operations: begin -->", "<!-- operations: end -->"
SITE_RECOVERY, VAULTS = "azure-mgmt-recoveryservicessiterecovery", "azure-mgmt-recoveryservices"
CLIENTS: Mapping[str, type] = {
    SITE_RECOVERY: SiteRecoveryManagementClient,
    VAULTS: RecoveryServicesClient,
}
# What a client has besides operations.
NO_OPERATIONS = frozenset({"close", "send_request"})


@dataclass(frozen=True)
class Row:
    """The operations of a class: which apply, and which do not."""

    applies: str = ""
    does_not: str = ""


# By package and class; operations of the client itself stand under its own name.
TABLE: Mapping[str, Mapping[str, Row]] = {
    SITE_RECOVERY: {
        "ClusterRecoveryPointOperations": Row(does_not="get"),
        "ClusterRecoveryPointsOperations": Row(does_not="list_by_replication_protection_cluster"),
        "MigrationRecoveryPointsOperations": Row(
            does_not="get list_by_replication_migration_items"
        ),
        "Operations": Row("list"),
        "RecoveryPointsOperations": Row("get list_by_replication_protected_items"),
        "ReplicationAlertSettingsOperations": Row("create get list"),
        "ReplicationAppliancesOperations": Row(does_not="list"),
        "ReplicationEligibilityResultsOperations": Row(does_not="get list"),
        "ReplicationEventsOperations": Row("get list"),
        "ReplicationFabricsOperations": Row(
            "begin_check_consistency begin_delete begin_purge begin_renew_certificate get list",
            "begin_create begin_migrate_to_aad begin_reassociate_gateway begin_remove_infra",
        ),
        "ReplicationJobsOperations": Row(
            "begin_cancel begin_export begin_restart begin_resume get list"
        ),
        "ReplicationLogicalNetworksOperations": Row("get list_by_replication_fabrics"),
        "ReplicationMigrationItemsOperations": Row(
            does_not="begin_create begin_delete begin_migrate begin_pause_replication"
            " begin_resume_replication begin_resync begin_test_migrate begin_test_migrate_cleanup"
            " begin_update get list list_by_replication_protection_containers"
        ),
        "ReplicationNetworkMappingsOperations": Row(
            "begin_create begin_delete begin_update get list list_by_replication_networks"
        ),
        "ReplicationNetworksOperations": Row("get list list_by_replication_fabrics"),
        "ReplicationPoliciesOperations": Row("begin_create begin_delete begin_update get list"),
        "ReplicationProtectableItemsOperations": Row(
            "get list_by_replication_protection_containers"
        ),
        "ReplicationProtectedItemsOperations": Row(
            "begin_add_disks begin_apply_recovery_point begin_create begin_delete"
            " begin_failover_cancel begin_failover_commit begin_planned_failover begin_purge"
            " begin_remove_disks begin_repair_replication begin_reprotect begin_test_failover"
            " begin_test_failover_cleanup begin_unplanned_failover begin_update get list"
            " list_by_replication_protection_containers",
            "begin_reinstall_mobility_service begin_resolve_health_errors begin_switch_provider"
            " begin_update_appliance begin_update_mobility_service",
        ),
        "ReplicationProtectionClustersOperations": Row(
            does_not="begin_apply_recovery_point begin_create begin_failover_commit begin_purge"
            " begin_repair_replication begin_test_failover begin_test_failover_cleanup"
            " begin_unplanned_failover get get_operation_results list"
            " list_by_replication_protection_containers"
        ),
        "ReplicationProtectionContainerMappingsOperations": Row(
            "begin_create begin_delete begin_purge begin_update get list"
            " list_by_replication_protection_containers"
        ),
        "ReplicationProtectionContainersOperations": Row(
            "get list list_by_replication_fabrics",
            "begin_create begin_delete begin_discover_protectable_item"
            " begin_switch_cluster_protection begin_switch_protection",
        ),
        "ReplicationProtectionIntentsOperations": Row(does_not="create get list"),
        "ReplicationRecoveryPlansOperations": Row(
            "begin_create begin_delete begin_failover_cancel begin_failover_commit"
            " begin_planned_failover begin_reprotect begin_test_failover"
            " begin_test_failover_cleanup begin_unplanned_failover begin_update get list"
        ),
        "ReplicationRecoveryServicesProvidersOperations": Row(
            "begin_delete begin_purge begin_refresh_provider get list list_by_replication_fabrics",
            "begin_create",
        ),
        "ReplicationStorageClassificationMappingsOperations": Row(
            "begin_create begin_delete get list list_by_replication_storage_classifications"
        ),
        "ReplicationStorageClassificationsOperations": Row("get list list_by_replication_fabrics"),
        "ReplicationVaultHealthOperations": Row("begin_refresh get"),
        "ReplicationVaultSettingOperations": Row("begin_create get list"),
        "ReplicationvCentersOperations": Row(
            does_not="begin_create begin_delete begin_update get list list_by_replication_fabrics"
        ),
        "SupportedOperatingSystemsOperations": Row(does_not="get"),
        "TargetComputeSizesOperations": Row(does_not="list_by_replication_protected_items"),
    },
    VAULTS: {
        "DeletedVaultsOperations": Row(
            does_not="begin_undelete get get_operation_status list_by_subscription_id"
        ),
        "Operations": Row("list"),
        "PrivateLinkResourcesOperations": Row(does_not="get list"),
        "RecoveryServicesClient": Row(does_not="get_operation_result get_operation_status"),
        "RecoveryServicesOperations": Row(does_not="capabilities check_name_availability"),
        "RegisteredIdentitiesOperations": Row(does_not="delete"),
        "ReplicationUsagesOperations": Row(does_not="list"),
        "UsagesOperations": Row(does_not="list_by_vaults"),
        "VaultCertificatesOperations": Row(does_not="create"),
        "VaultExtendedInfoOperations": Row(does_not="create_or_update get update"),
        "VaultsOperations": Row(
            "begin_create_or_update begin_delete begin_update get list_by_resource_group"
            " list_by_subscription_id"
        ),
    },
}


@dataclass(frozen=True, order=True)
class Operation:
    """An operation of a client: its package, class, attribute of the client, and method."""

    package: str
    owner: str
    attribute: str
    method: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.method}"

    @property
    def words(self) -> str:
        """All the table says of the class, by which of the two words."""
        return f"{self.package}:{self}"

    def of(self, client: Any) -> Any:
        """The bound method."""
        return getattr(getattr(client, self.attribute) if self.attribute else client, self.method)


class NoCredential:
    """Signs in nowhere: clients are only looked at."""

    def get_token(self, *scopes: str, **options: object) -> None:
        del scopes, options


def operations() -> list[Operation]:
    """Every operation the installed packages have."""
    return sorted(set(_operations()))


def _operations() -> Iterator[Operation]:
    for package, kind in CLIENTS.items():
        client = kind(NoCredential(), "0" * 8, base_url="https://localhost")
        try:
            for method in _methods(kind):
                if method not in NO_OPERATIONS:
                    yield Operation(package, kind.__name__, "", method)
            for attribute, value in vars(client).items():
                owner = type(value)
                if owner.__name__.endswith("Operations"):
                    for method in _methods(owner):
                        yield Operation(package, owner.__name__, attribute, method)
        finally:
            client.close()


def _methods(kind: type) -> list[str]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return [name for name, _ in found if not name.startswith("_")]


def stated() -> dict[str, bool]:
    """What the table says: by package, class and method whether it applies."""
    return {
        f"{package}:{owner}.{method}": applies
        for package, classes in TABLE.items()
        for owner, row in classes.items()
        for methods, applies in ((row.applies, True), (row.does_not, False))
        for method in methods.split()
    }


def shown_by() -> dict[str, list[str]]:
    """By package, class and method the tests that call an operation."""
    found: dict[str, list[str]] = {}
    for package in CLIENTS:
        attributes = {
            each.attribute: each.owner
            for each in operations()
            if each.package == package and each.attribute
        }
        # Both clients have an attribute of the name "operations"; its tests say which they mean.
        for operation, tests in calls_in_tests(attributes).items():
            found[f"{package}:{operation}"] = tests
    return found


def table() -> str:
    """The table of the documentation."""
    applies, tests = stated(), shown_by()
    lines = ["| Operation | Applies | Shown by |", "|---|---|---|"]
    for each in operations():
        name = re.sub(r"Operations\.", ".", str(each)).removeprefix(".")
        known = tests.get(each.words, [])
        if applies[each.words]:
            lines.append(f"| `{name}` | yes | {known[0].partition('::')[0] if known else ''} |")
        else:
            lines.append(f"| `{name}` | no: `OperationNotSupported` | test_sdk_sweep.py |")
    return "\n".join(lines)


def page_with(new_table: str) -> str:
    """The page of the documentation with a table in the place of the one it has."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{new_table}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), "utf-8")
