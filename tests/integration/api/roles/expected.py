"""What each role may do, told a second time: from Azure's own lists, and from a table of ours."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

from tests.integration.api.roles.routes import Route

AZURE = json.loads((Path(__file__).parent / "azure_roles.json").read_text(encoding="utf-8"))
OWNER, CONTRIBUTOR, OPERATOR, READER = AZURE
LETTERS = {CONTRIBUTOR: "C", OPERATOR: "O", READER: "R"}

_ITEM = "/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"
_MAPPING = (
    "/replicationFabrics/replicationProtectionContainers/replicationProtectionContainerMappings"
)
_NETWORK = "/replicationFabrics/replicationNetworks"
_PLAN = "/replicationRecoveryPlans"

# Routes Azure's lists do not name, and who may use them besides the Owner. A route in neither is
# the Owner's alone.
OURS = {
    "GET /replicationRecoveryServicesProviders": "COR",
    "GET /replicationProtectionContainers": "COR",
    "GET /replicationProtectionContainerMappings": "COR",
    "GET /replicationProtectedItems": "COR",
    "GET /replicationNetworks": "COR",
    "GET /replicationNetworkMappings": "COR",
    "GET /replicationStorageClassifications": "COR",
    "GET /replicationStorageClassificationMappings": "COR",
    "GET /replicationBandwidthLimits": "COR",
    "GET /replicationOperationStatus": "COR",
    "GET /replicationVaultHealth": "COR",
    "POST /replicationVaultHealth/refresh": "CO",
    "GET /registrationKeys": "COR",
    "POST /registrationKeys": "C",
    "POST /registrationKeys/revoke": "C",
    "GET /replicationFabrics/replicationBandwidthLimits": "COR",
    "GET /replicationFabrics/replicationLogicalNetworks": "COR",
    f"GET {_NETWORK}/recoveryNetworks": "COR",
    "GET /replicationFabrics/replicationProtectionContainers/pairingPrerequisites": "COR",
    f"GET {_MAPPING}/hosts": "COR",
    f"POST {_MAPPING}/renewCertificates": "CO",
    f"GET {_ITEM}/operations": "COR",
    f"GET {_ITEM}/testFailovers": "COR",
    f"GET {_ITEM}/rpoHistory": "COR",
    f"GET {_ITEM}/targetComputeSizes": "COR",
    f"POST {_ITEM}/dryRun": "COR",
    f"POST {_ITEM}/failoverCancel": "CO",
    f"POST {_ITEM}/abandonFailover": "CO",
    f"POST {_ITEM}/lookBeforeFailover": "CO",
    f"POST {_ITEM}/pauseReplication": "CO",
    f"POST {_ITEM}/resumeReplication": "CO",
    f"POST {_ITEM}/resynchronize": "CO",
    f"GET {_PLAN}/revisions": "COR",
    f"POST {_PLAN}/dryRun": "COR",
    f"POST {_PLAN}/failoverCancel": "CO",
    f"POST {_PLAN}/abandonFailover": "CO",
    f"POST {_PLAN}/lookBeforeFailover": "CO",
}
OURS_BELOW = {"/webhooks": "C", "/replicationProtectionIntents": "C"}

_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}


def may(role: str, route: Route) -> bool:
    """Whether somebody with a role in a vault may use a route in it."""
    action = _action(route)
    if any(fnmatchcase(action, line.lower()) for line in AZURE[role]["actions"]):
        return True
    return LETTERS.get(role, "-") in _ours(route)


def _ours(route: Route) -> str:
    key = route.key
    if key.startswith("GET ") and key.endswith("/operationresults"):
        return "COR"
    below = [who for word, who in OURS_BELOW.items() if re.search(f"^[A-Z]+ {word}(/|$)", key)]
    return below[0] if below else OURS.get(key, "")


def _action(route: Route) -> str:
    """Azure's name of what a route does, in small letters."""
    own = route.pattern.split("/providers/")[-1]
    words = [word for word in own.split("/") if not word.startswith("<") and word != "default"]
    return "/".join([*words, _VERBS[route.method]]).lower()
