"""Routes of the list of operations that the API has, as Azure Resource Manager asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.access.services import action_of
from coordinator.api.addresses import GroupPath
from coordinator.api.calls import Answer, served
from coordinator.api.paging import page
from coordinator.api.paths import GROUP, NAMESPACE
from coordinator.api.responses import lists
from coordinator.api.shapes.operations import OperationShape

OPERATIONS = f"providers/{NAMESPACE}/operations"
PROVIDER_NAME = "Open Site Recovery"
VERBS = {"read": "Read", "write": "Create or change", "delete": "Delete", "action": "Do"}


@dataclass(frozen=True)
class Operation:
    """What roles allow and forbid by its name.

    Attributes:
        name: For example "Microsoft.RecoveryServices/vaults/replicationJobs/cancel/action".
        description: What the route of it says it does.
    """

    name: str
    description: str

    def as_json(self) -> OperationShape:
        """ARM's form of it."""
        _, *types, verb = self.name.split("/")
        last = types[-1] if types else ""
        return {
            "name": self.name,
            "display": {
                "provider": PROVIDER_NAME,
                "resource": "/".join(types[:-1] if verb == "action" else types),
                "operation": f"{VERBS.get(verb, verb)} {last}",
                "description": self.description,
            },
            "origin": "user",
            "properties": None,
        }


def operations_of(routers: Iterable[Router]) -> list[Operation]:
    """The operations of some routers, by name; of several routes for one the first tells of it."""
    found: dict[str, Operation] = {}
    for operation in _operations(routers):
        found.setdefault(operation.name, operation)
    return [found[name] for name in sorted(found)]


def _operations(routers: Iterable[Router]) -> Iterator[Operation]:
    for router in routers:
        for address, view in router.path_operations.items():
            if f"/{NAMESPACE}/" not in address:
                continue
            for operation in view.operations:
                told = (operation.view_func.__doc__ or "").strip().partition("\n")[0]
                for method in operation.methods:
                    yield Operation(action_of(method, address), told)


def operations_router(routers: Iterable[Router]) -> Router:
    """The routes; vaults' client asks for the one, Site Recovery's for the other.

    Args:
        routers: All whose operations apply.
    """
    router = Router()
    known = operations_of(routers)

    @router.get(f"/{OPERATIONS}", response=lists(OperationShape))
    @served
    def list_operations(request: HttpRequest) -> Answer:
        """What can be done, and what roles call it."""
        return page(request, lambda start, end: known[start:end], Operation.as_json)

    @router.get(f"{GROUP}/{OPERATIONS}", response=lists(OperationShape))
    @served
    def list_operations_of_group(request: HttpRequest, path: Path[GroupPath]) -> Answer:
        """What can be done, and what roles call it, in whichever group."""
        del path
        return page(request, lambda start, end: known[start:end], Operation.as_json)

    return router
