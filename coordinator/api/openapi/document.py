"""The OpenAPI document, put together from the routes.

django-ninja writes what it knows: addresses, bodies, and the types that routes name as what they
answer (`responses`). What holds for all routes is added here, in one place: the parameters and
headers of Azure Resource Manager, the errors, names, and how clients say who they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ninja import NinjaAPI
from ninja.constants import NOT_SET
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from pydantic import TypeAdapter
from typing_extensions import override

from coordinator.api.openapi import names
from coordinator.api.openapi.errors import WHEN, errors_of
from coordinator.api.openapi.parameters import API_VERSION, SHARED, in_path, shared
from coordinator.api.responses import Begun, Page, Running
from coordinator.api.shapes.errors import ErrorAnswer

ABOUT = """\
Disaster recovery for Hyper-V under System Center VMM. The API is that of Azure Site Recovery:
Microsoft's own clients work with it. What is not of ASR's API is said to be beyond its model.

Work that takes long is begun with 202: ask at `Azure-AsyncOperation` how it stands, each
`Retry-After` seconds, then read the resource at `Location`. Lists come in pages: follow `nextLink`.
Every error has a code, a message, possible causes and what to do.
"""
SECURITY: Mapping[str, Mapping[str, object]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "From `/{tenant}/oauth2/v2.0/token`, by client credentials or for a person.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "Of a person who signed in with a browser; changes need the CSRF token too.",
    },
}
HEADERS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "x-ms-request-id": ("The id of the request; of an operation's, that of its job.", {}),
    "x-ms-correlation-request-id": ("What all that the request causes is logged with.", {}),
    "Location": ("Where the resource is when the operation has succeeded.", {"format": "uri"}),
    "Azure-AsyncOperation": ("Where it is told how the operation stands.", {"format": "uri"}),
    "Retry-After": ("After how many seconds to ask again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("How to say who one is.", {"const": "Bearer"}),
}
EVERYWHERE = ("x-ms-request-id", "x-ms-correlation-request-id")
# Of answers without a body.
BODILESS: Mapping[type, tuple[str, tuple[str, ...]]] = {
    Begun: ("Begun.", ("Location", "Azure-AsyncOperation", "Retry-After")),
    Running: ("It runs; or, of an action on a job, it is done.", ("Location", "Retry-After")),
}
MEANINGS = {200: "As it is now.", 201: "Made.", 202: "Begun.", 204: "Done; there is nothing left."}


def document_of(api: NinjaAPI) -> dict[str, Any]:
    """The document of an API, as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(Document(api, "")))
    return found


def written(document: Mapping[str, Any]) -> str:
    """The document as text, the same each time."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def shape_of(operation: Operation, status: int) -> Any:
    """The type a route names for the body of a status; None: there is no body."""
    model = operation.response_models.get(status)
    if model is None or model is NOT_SET:
        return None
    return model.model_fields["response"].annotation


class Document(OpenAPISchema):
    """django-ninja's document, with what holds for all routes."""

    def __init__(self, api: NinjaAPI, path_prefix: str) -> None:
        self._parameters: dict[str, Any] = dict(SHARED)
        self._tags: dict[str, str] = {}
        bound = api._get_bound_routers()  # noqa: SLF001 - as django-ninja's own document does
        self._addresses = [path for router in bound for path in router.path_operations]
        super().__init__(api, path_prefix)
        self["info"]["description"] = ABOUT
        self["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        self["servers"] = [{"url": "/", "description": "The coordinator."}]
        self["tags"] = [
            {"name": tag, "description": told} for tag, told in sorted(self._tags.items())
        ]

    @override
    def operation_details(self, operation: Operation) -> dict[str, Any]:
        method = operation.methods[0].upper()
        told = operation.view_func.__doc__
        shape = shape_of(operation, 200)
        is_list = isinstance(shape, type) and issubclass(shape, Page)
        module = operation.view_func.__module__
        found: dict[str, Any] = {
            "operationId": self._operation_id(method, operation, is_list=is_list),
            "summary": names.summary(told, getattr(shape, "__doc__", None)),
            "tags": [names.tag_of(module)],
            "parameters": list(self._own_parameters(operation, is_list=is_list)),
            "security": [] if operation.auth_param is None else [{name: []} for name in SECURITY],
        }
        self._tag(operation)
        if more := names.description(told):
            found["description"] = more
        if body := self.request_body(operation):
            found["requestBody"] = body
        responses = dict(self.responses(operation))
        for status in errors_of(found, method):
            responses.setdefault(status.value, {"$ref": _response(WHEN[status][0])})
        found["responses"] = {str(status): responses[status] for status in sorted(responses)}
        self.deep_dict_update(found, _texts(_without_parameters(operation.openapi_extra or {})))
        self._share(found["parameters"])
        return found

    def _operation_id(self, method: str, operation: Operation, *, is_list: bool) -> str:
        # Of what is only refused, a collection is known by the names below it.
        below = f"/{operation.path.rpartition('/')[2]}/{{"
        whole = min(operation.response_models) >= 400 and any(
            below in each for each in self._addresses
        )
        name = names.operation_id(
            method, operation.path, self.all_operation_ids, is_list=is_list or whole
        )
        self.all_operation_ids.add(name)
        return name

    def _own_parameters(self, operation: Operation, *, is_list: bool) -> Iterator[Any]:
        for each in self.operation_parameters(operation):
            yield in_path(each["name"]) if each["in"] == "path" else _clean(each)
        if operation.auth_param is not None:
            yield API_VERSION
            yield SHARED["clientRequestId"]
        if is_list:
            yield from (SHARED["skipToken"], SHARED["take"])
        yield from (operation.openapi_extra or {}).get("parameters", ())

    def _share(self, parameters: list[Any]) -> None:
        """Puts what several operations take among the components."""
        known = {json.dumps(each): name for name, each in self._parameters.items()}
        for index, each in enumerate(parameters):
            if each["in"] == "path":
                self._parameters[each["name"]] = each
                parameters[index] = shared(each["name"])
            elif (text := json.dumps(each)) in known:
                parameters[index] = shared(known[text])

    def _tag(self, operation: Operation) -> None:
        module = operation.view_func.__module__
        told = sys.modules[module].__doc__ or ""
        self._tags[names.tag_of(module)] = told.strip().partition("\n")[0]

    @override
    def responses(self, operation: Operation) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for status in operation.response_models:
            if status >= 400:
                name = next(name for code, (name, _) in WHEN.items() if code == status)
                found[status] = {"$ref": _response(name)}
                continue
            shape = shape_of(operation, status)
            told, headers = BODILESS.get(shape, (MEANINGS[status], ()))
            found[status] = {"description": told, "headers": _headers((*EVERYWHERE, *headers))}
            if shape is not None and shape not in BODILESS:
                schema = super()._create_schema_from_model(
                    operation.response_models[status], mode="serialization"
                )[0]
                found[status]["content"] = {"application/json": {"schema": _clean(schema)}}
        return found

    @override
    def operation_parameters(self, operation: Operation) -> list[dict[str, Any]]:
        # The classes of names in addresses are of no use to clients.
        schemas, self.schemas = self.schemas, {}
        try:
            return list(super().operation_parameters(operation))
        finally:
            self.schemas = schemas

    @override
    def request_body(self, operation: Operation) -> dict[str, Any]:
        found: dict[str, Any] = _clean(super().request_body(operation))
        return found

    @override
    def add_schema_definitions(self, definitions: dict[str, Any]) -> None:
        for name, definition in definitions.items():
            known = self.schemas.setdefault(name, _clean(definition))
            if known != _clean(definition):
                raise ValueError(f"two types of the API are called {name}")

    @override
    def get_components(self) -> dict[str, Any]:
        error = self._schema_of(ErrorAnswer)
        return {
            "schemas": dict(sorted(self.schemas.items())),
            "parameters": self._parameters,
            "headers": {
                name: {"description": told, "schema": {"type": "string", **schema}}
                for name, (told, schema) in HEADERS.items()
            },
            "responses": {
                name: {
                    "description": told,
                    "headers": _headers(
                        (
                            *EVERYWHERE,
                            *(("WWW-Authenticate",) if status == 401 else ()),
                            *(("Retry-After",) if status == 503 else ()),
                        )
                    ),
                    "content": {"application/json": {"schema": error}},
                }
                for status, (name, told) in WHEN.items()
            },
            "securitySchemes": SECURITY,
        }

    def _schema_of(self, shape: Any) -> dict[str, str]:
        """Has a type among the components."""
        schema = TypeAdapter(shape).json_schema(
            ref_template="#/components/schemas/{model}", mode="serialization"
        )
        self.add_schema_definitions(schema.pop("$defs", {}))
        self.add_schema_definitions({shape.__name__: schema})
        return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _response(name: str) -> str:
    return f"#/components/responses/{name}"


def _headers(wanted: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in wanted}


def _without_parameters(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in extra.items() if name != "parameters"}


def _texts(extra: Mapping[str, Any]) -> dict[str, Any]:
    """With statuses as JSON has them."""
    found: dict[str, Any] = json.loads(json.dumps(extra))
    return found


def _clean(schema: Any) -> Any:
    """Without the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [_clean(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _clean(value)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))
    }
