"""`osr` does everything the API does: a command for each route, or a reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from typer.main import get_command

from coordinator.api.inapplicable_operations import OPERATIONS
from coordinator.cli.main import app
from tests.integration.api.roles.routes import ROUTES

pytestmark = pytest.mark.spec("UI-2")

_CLOUD = "/replicationFabrics/replicationProtectionContainers"
_ITEM = f"{_CLOUD}/replicationProtectedItems"
_PAIR = f"{_CLOUD}/replicationProtectionContainerMappings"
_SERVER = "/replicationFabrics"
_AGENT = f"{_SERVER}/replicationRecoveryServicesProviders"
_NETWORK = f"{_SERVER}/replicationNetworks"
_NETWORK_MAP = f"{_NETWORK}/replicationNetworkMappings"
_STORAGE = f"{_SERVER}/replicationStorageClassifications"
_STORAGE_MAP = f"{_STORAGE}/replicationStorageClassificationMappings"
_LIMIT = f"{_SERVER}/replicationBandwidthLimits"
_PLAN = "/replicationRecoveryPlans"
_ALERTS = "/replicationAlertSettings"
_ROLES = "/providers/Microsoft.Authorization/roleAssignments"
_SUBSCRIPTION = "/subscriptions"
_GROUP = "/subscriptions/resourceGroups"

# Routes by method and what is below the vault, without names; "" is the vault itself.
COMMANDS = {
    f"GET {_GROUP}/providers/Microsoft.RecoveryServices/vaults": "vault list",
    f"GET {_SUBSCRIPTION}/providers/Microsoft.RecoveryServices/vaults": "vault list",
    f"GET {_GROUP}/providers/Microsoft.RecoveryServices/operations": "operations",
    "GET ": "vault show",
    "PUT ": "vault create",
    "PATCH ": "vault update",
    "DELETE ": "vault delete",
    "GET /replicationVaultHealth": "vault health",
    "POST /replicationVaultHealth/refresh": "vault health",
    "GET /replicationVaultSettings": "vault settings",
    f"GET {_ROLES}": "role list",
    f"GET {_GROUP}{_ROLES}": "role list",
    f"GET {_SUBSCRIPTION}{_ROLES}": "role list",
    f"PUT {_ROLES}": "role assign",
    f"PUT {_GROUP}{_ROLES}": "role assign",
    f"PUT {_SUBSCRIPTION}{_ROLES}": "role assign",
    f"DELETE {_ROLES}": "role remove",
    f"DELETE {_GROUP}{_ROLES}": "role remove",
    f"DELETE {_SUBSCRIPTION}{_ROLES}": "role remove",
    "GET /providers/Microsoft.Authorization/roleDefinitions": "role definitions",
    "GET /registrationKeys": "key list",
    "POST /registrationKeys": "key create",
    "POST /registrationKeys/revoke": "key revoke",
    f"GET {_SERVER}": "server show",
    f"POST {_SERVER}/checkConsistency": "server check",
    f"POST {_SERVER}/remove": "server remove",
    f"DELETE {_SERVER}": "server remove",
    f"POST {_SERVER}/renewCertificate": "server renew-certificates",
    "GET /replicationRecoveryServicesProviders": "server list",
    f"POST {_AGENT}/refreshProvider": "server refresh",
    "GET /replicationProtectionContainers": "cloud list",
    f"GET {_CLOUD}": "cloud show",
    f"GET {_CLOUD}/pairingPrerequisites": "pair check",
    f"GET {_CLOUD}/replicationProtectableItems": "vm list",
    f"POST {_CLOUD}/enableProtection": "protect enable",
    "GET /replicationPolicies": "policy list",
    "PUT /replicationPolicies": "policy create",
    "PATCH /replicationPolicies": "policy update",
    "DELETE /replicationPolicies": "policy delete",
    "GET /replicationProtectionContainerMappings": "pair list",
    f"PUT {_PAIR}": "pair create",
    f"GET {_PAIR}/hosts": "pair show",
    f"POST {_PAIR}/renewCertificates": "pair renew-certificates",
    f"POST {_PAIR}/remove": "pair remove",
    f"DELETE {_PAIR}": "pair remove",
    "GET /replicationNetworks": "network list",
    f"GET {_NETWORK}": "network list",
    f"GET {_NETWORK}/recoveryNetworks": "network targets",
    f"GET {_SERVER}/replicationLogicalNetworks": "network logical",
    "GET /replicationNetworkMappings": "network maps",
    f"GET {_NETWORK_MAP}": "network map",
    f"PUT {_NETWORK_MAP}": "network map",
    f"DELETE {_NETWORK_MAP}": "network unmap",
    "GET /replicationStorageClassifications": "storage list",
    f"GET {_STORAGE}": "storage list",
    "GET /replicationStorageClassificationMappings": "storage maps",
    f"GET {_STORAGE_MAP}": "storage unmap",
    f"PUT {_STORAGE_MAP}": "storage map",
    f"DELETE {_STORAGE_MAP}": "storage unmap",
    "GET /replicationBandwidthLimits": "bandwidth list",
    f"GET {_LIMIT}": "bandwidth show",
    f"PUT {_LIMIT}": "bandwidth set",
    f"DELETE {_LIMIT}": "bandwidth remove",
    "GET /replicationProtectedItems": "protect list",
    f"PUT {_ITEM}": "protect enable",
    f"POST {_ITEM}/remove": "protect disable",
    f"DELETE {_ITEM}": "protect disable",
    f"POST {_ITEM}/startInitialReplication": "protect start",
    f"POST {_ITEM}/importInitialReplication": "protect import",
    f"POST {_ITEM}/exportInitialReplication": "protect export",
    f"POST {_ITEM}/pauseReplication": "protect pause",
    f"POST {_ITEM}/resumeReplication": "protect resume",
    f"POST {_ITEM}/resynchronize": "protect resync",
    f"POST {_ITEM}/automaticResynchronization": "protect resync",
    f"POST {_ITEM}/repairReplication": "protect repair",
    f"POST {_ITEM}/addDisks": "protect disks",
    f"POST {_ITEM}/removeDisks": "protect disks",
    f"GET {_ITEM}/rpoHistory": "protect show",
    f"GET {_ITEM}/recoveryPoints": "failover points",
    f"GET {_ITEM}/operations": "failover operations",
    f"GET {_ITEM}/testFailovers": "failover drills",
    f"POST {_ITEM}/dryRun": "failover check",
    f"POST {_ITEM}/lookBeforeFailover": "failover check",
    f"POST {_ITEM}/testFailover": "failover test",
    f"POST {_ITEM}/testFailoverCleanup": "failover cleanup",
    f"POST {_ITEM}/plannedFailover": "failover planned",
    f"POST {_ITEM}/unplannedFailover": "failover unplanned",
    f"POST {_ITEM}/applyRecoveryPoint": "failover change-point",
    f"POST {_ITEM}/failoverCancel": "failover cancel",
    f"POST {_ITEM}/abandonFailover": "failover abandon",
    f"POST {_ITEM}/failoverCommit": "failover commit",
    f"POST {_ITEM}/reProtect": "failover reverse",
    f"GET {_PLAN}": "plan show",
    f"PUT {_PLAN}": "plan create",
    f"PATCH {_PLAN}": "plan move",
    f"DELETE {_PLAN}": "plan delete",
    f"POST {_PLAN}/clone": "plan clone",
    f"GET {_PLAN}/revisions": "plan history",
    f"POST {_PLAN}/revisions/restore": "plan restore",
    f"POST {_PLAN}/dryRun": "plan check",
    f"POST {_PLAN}/lookBeforeFailover": "plan check",
    f"POST {_PLAN}/testFailover": "plan test",
    f"POST {_PLAN}/testFailoverCleanup": "plan cleanup",
    f"POST {_PLAN}/plannedFailover": "plan planned",
    f"POST {_PLAN}/unplannedFailover": "plan unplanned",
    f"POST {_PLAN}/failoverCancel": "plan cancel",
    f"POST {_PLAN}/abandonFailover": "plan abandon",
    f"POST {_PLAN}/failoverCommit": "plan commit",
    f"POST {_PLAN}/reProtect": "plan reverse",
    "GET /replicationJobs": "job show",
    "POST /replicationJobs/cancel": "job cancel",
    "POST /replicationJobs/restart": "job restart",
    "POST /replicationJobs/resume": "job resume",
    "POST /replicationJobs/export": "job export",
    "GET /exports": "job export",
    "GET /replicationEvents": "events list",
    f"GET {_ALERTS}": "alerts show",
    f"PUT {_ALERTS}": "alerts set",
    f"GET {_ALERTS}/deliveries": "alerts mails",
    f"POST {_ALERTS}/deliveries/redeliver": "alerts redeliver",
    "GET /webhooks": "webhook list",
    "PUT /webhooks": "webhook create",
    "DELETE /webhooks": "webhook delete",
    "GET /webhooks/deliveries": "webhook deliveries",
    "POST /webhooks/deliveries/redeliver": "webhook redeliver",
    "POST /webhooks/rotateSecret": "webhook rotate",
    "POST /webhooks/test": "webhook test",
    "GET /auditRecords": "audit list",
    "POST /auditRecords/export": "audit export",
    "GET /auditHead": "audit verify",
}

# `osr api` makes these, too.
POLLED = "Where the SDK asks how an operation stands; the command asks for its job."
IN_THE_LIST = "The vault's list of these has each of them whole, and commands pick from it."
WITH_THE_SERVER = "An agent goes with its server: osr server remove."
NOTHING_TO_SET = "There is nothing to set: it confirms what is so, and refuses the rest."
SAME_THING = "PUT of the same resource does it, and the command uses that."
WITHOUT_VAULT = "The same answer as with a vault or resource group, which the command has."
EXCEPTIONS = {
    "GET /replicationOperationStatus": POLLED,
    f"GET {_SERVER}/operationresults": POLLED,
    f"GET {_AGENT}/operationresults": POLLED,
    f"GET {_ITEM}/operationresults": POLLED,
    f"GET {_PAIR}/operationresults": POLLED,
    f"GET {_NETWORK_MAP}/operationresults": POLLED,
    f"GET {_LIMIT}/operationresults": POLLED,
    f"GET {_PLAN}/operationresults": POLLED,
    "GET /replicationPolicies/operationresults": POLLED,
    "GET /replicationJobs/operationresults": POLLED,
    f"GET {_ITEM}": IN_THE_LIST,
    f"GET {_PAIR}": IN_THE_LIST,
    f"GET {_AGENT}": IN_THE_LIST,
    f"POST {_AGENT}/remove": WITH_THE_SERVER,
    f"DELETE {_AGENT}": WITH_THE_SERVER,
    f"PATCH {_ITEM}": NOTHING_TO_SET,
    f"PATCH {_PAIR}": NOTHING_TO_SET,
    "PUT /replicationVaultSettings": NOTHING_TO_SET,
    f"PATCH {_NETWORK_MAP}": SAME_THING,
    "GET /providers/Microsoft.RecoveryServices/operations": WITHOUT_VAULT,
    f"GET {_GROUP}/providers/Microsoft.Authorization/roleDefinitions": WITHOUT_VAULT,
    f"GET {_SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions": WITHOUT_VAULT,
}


def leaves(group: object, before: str = "") -> Iterator[tuple[str, object]]:
    """All commands with their names: "plan group move"."""
    for name, command in getattr(group, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from leaves(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def applying_routes() -> set[str]:
    """Routes of what applies between two sites."""
    refused = {
        f"{one.method} "
        + re.sub(r"/(\{[^}]*\}|default)", "", one.pattern.split("{vault_name}")[-1])
        for one in OPERATIONS
    }
    return {route.key for route in ROUTES} - refused


def test_each_route_has_a_command_or_a_reason_for_having_none() -> None:
    missing = applying_routes() - COMMANDS.keys() - EXCEPTIONS.keys()
    assert not missing, (
        "Routes without a command: name the command that makes each in COMMANDS, or the reason in "
        f"EXCEPTIONS: {sorted(missing)}"
    )


def test_the_tables_name_nothing_that_is_not_there() -> None:
    routes = applying_routes()
    assert set(COMMANDS) | set(EXCEPTIONS) <= routes
    assert not set(COMMANDS) & set(EXCEPTIONS)
    assert set(COMMANDS.values()) <= dict(leaves(get_command(app))).keys()


def test_every_command_has_a_help_and_no_two_options_are_alike() -> None:
    for name, command in leaves(get_command(app)):
        assert getattr(command, "help", ""), name
        options = [
            option for parameter in getattr(command, "params", []) for option in parameter.opts
        ]
        assert len(options) == len(set(options)), f"{name}: {options}"


def test_every_command_can_answer_in_every_format() -> None:
    for name, command in leaves(get_command(app)):
        options = {
            option for parameter in getattr(command, "params", []) for option in parameter.opts
        }
        assert {"--output", "-o", "--json"} <= options, name
