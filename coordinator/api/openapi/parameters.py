"""Parameters of requests in the document of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coordinator.api.api_versions import SITE_RECOVERY, SUPPORTED
from coordinator.api.paging import PAGE_ITEMS

Parameter = Mapping[str, Any]

# Names that the API itself gave out, or that clients choose; what stands in an address.
_PATH: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "subscription_id": ("The subscription, a UUID.", {"type": "string", "format": "uuid"}),
    "resource_group": (
        "The resource group, which needs no making.",
        {"type": "string", "minLength": 1, "maxLength": 90},
    ),
    "vault_name": (
        "The vault: 2 to 50 letters, digits and hyphens, a letter first.",
        {"type": "string", "minLength": 2, "maxLength": 50, "pattern": "^[A-Za-z][A-Za-z0-9-]+$"},
    ),
    "fabric_name": ("The name of a server, as replicationFabrics lists it.", {}),
    "provider_name": ("The name of a server's provider.", {}),
    "container_name": ("The name of a protection container: VMM's id of the cloud.", {}),
    "protectable_item_name": ("VMM's id of a machine.", {}),
    "item_name": ("The name of a protected item.", {}),
    "mapping_name": ("The name of a pair of clouds.", {}),
    "network_name": ("VMM's id of a VM network.", {}),
    "logical_network_name": ("VMM's id of a logical network.", {}),
    "network_mapping_name": ("The name of a network mapping.", {}),
    "recovery_network_name": ("VMM's id of a VM network of the other server.", {}),
    "storage_classification_name": ("VMM's id of a storage classification.", {}),
    "storage_mapping_name": ("The name of a storage mapping.", {}),
    "limit_name": ("The name of a bandwidth limit.", {}),
    "policy_name": ("The name of a policy.", {"maxLength": 64}),
    "plan_name": ("The name of a recovery plan.", {"maxLength": 128}),
    "point_name": ("Hyper-V's id of a recovery point.", {}),
    "job_name": ("The name of a job, a UUID.", {}),
    "action_name": ("The name of an action, as its 202 gave it out.", {}),
    "event_name": ("The name of an event, a UUID.", {}),
    "key_name": ("The name of a registration key, a UUID.", {}),
    "role_name": ("The name of a role or of an assignment, a UUID.", {}),
    "setting_name": ("The name of the settings, of which there is one.", {}),
    "health_name": ("Default.", {}),
    "webhook_name": ("The name of a webhook.", {}),
    "delivery_name": ("The name of a delivery, a UUID.", {}),
    "record_name": ("The number of a record of the audit.", {}),
    "number": ("The number of a revision.", {}),
}

API_VERSION: Parameter = {
    "name": "api-version",
    "in": "query",
    "required": True,
    "description": "Which version of the API the client speaks.",
    "schema": {"type": "string", "enum": list(SUPPORTED)},
    "example": SITE_RECOVERY[-1],
}
CLIENT_REQUEST_ID: Parameter = {
    "name": "x-ms-client-request-id",
    "in": "header",
    "description": "The client's own id of the request. Whoever sends a request again with the same"
    " id is told of the operation that the first one began.",
    "schema": {"type": "string"},
}
SKIP_TOKEN: Parameter = {
    "name": "$skipToken",
    "in": "query",
    "description": "Where the page begins: from the nextLink of the page before it.",
    "schema": {"type": "string"},
}
TAKE: Parameter = {
    "name": "$take",
    "in": "query",
    "description": "How much the page holds at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_ITEMS},
}
IF_MATCH: Parameter = {
    "name": "If-Match",
    "in": "header",
    "description": "The etag of what the change was made from; * or nothing: of whatever is there.",
    "schema": {"type": "string"},
}
# By the name of their component, so that each stands in the document once.
SHARED: Mapping[str, Parameter] = {
    "apiVersion": API_VERSION,
    "clientRequestId": CLIENT_REQUEST_ID,
    "skipToken": SKIP_TOKEN,
    "take": TAKE,
    "ifMatch": IF_MATCH,
}


def shared(name: str) -> Parameter:
    """A reference to one of them."""
    return {"$ref": f"#/components/parameters/{name}"}


def in_path(name: str) -> Parameter:
    """A name in an address; one without an own description says what it is by its name."""
    told, schema = _PATH.get(name, (f"The {name.replace('_', ' ')}.", {}))
    known = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": told,
        "schema": {**known, **schema} if schema.get("format") != "uuid" else schema,
    }


def in_query(name: str, description: str, **schema: object) -> Parameter:
    """A parameter of one route, a text unless the schema says otherwise."""
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", **schema},
    }


def filters(names: Iterable[str]) -> Parameter:
    """The `$filter` of a list that can be narrowed by such names."""
    known = list(names)
    return {
        **in_query("$filter", f"`Name eq 'value'`, several joined by `and`: {', '.join(known)}."),
        "example": f"{known[0]} eq 'value'",
    }


def taking(*parameters: Parameter) -> dict[str, Any]:
    """What a route takes beside its address and body, for its `openapi_extra`."""
    return {"parameters": list(parameters)}


def sending(*content_types: str) -> dict[str, Any]:
    """Of a route that answers with a file of one of these types, for its `openapi_extra`."""
    kinds = [kind.partition(";")[0] for kind in content_types]
    schema = {"type": "string", "format": "binary"}
    # What a program reads as JSON is looked at as JSON.
    content = {kind: {"schema": {} if kind == "application/json" else schema} for kind in kinds}
    return {"responses": {"200": {"description": "The file.", "content": content}}}
