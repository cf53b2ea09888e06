"""Routes of operations that do not apply between two VMM sites: each is refused in ARM's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router
from pydantic import create_model

from coordinator.api.addresses import SubscriptionPath, VaultPath
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.inapplicable_operations import OPERATIONS, InapplicableOperation
from coordinator.api.paths import VAULT
from coordinator.api.responses import REFUSES
from coordinator.failures import RefusedError, refuse

router = Router()

CODE = "OperationNotSupported"


def refusal(operation: InapplicableOperation) -> RefusedError:
    """What a client is told that asks for an operation that does not apply."""
    reason = operation.reason
    name = operation.pattern.rpartition("/")[2]
    what = operation.pattern.split("/")[-2] if name.startswith("{") else name
    return refuse(
        CODE,
        f"{reason.subject} does not apply to disaster recovery between two VMM sites:"
        f" {operation.method} of {what} is not supported.",
        causes=[reason.cause, "The client was written for another scenario of Site Recovery."],
        action=reason.action,
    )


def _add(operation: InapplicableOperation) -> None:
    """Serves an operation: who asks, and whether the vault is theirs, is looked at as ever."""
    names = re.findall(r"\{(\w+)\}", operation.pattern)
    in_vault = "vault_name" in names
    known = VaultPath if in_vault else SubscriptionPath
    more: Any = {name: (str, ...) for name in names if name not in known.model_fields}
    address: Any = create_model("OtherScenarioPath", __base__=known, **more)

    def refused(request: HttpRequest, path: VaultPath) -> Answer:
        # The door has seen to the subscription; a vault must also be there.
        if in_vault:
            open_vault(request, path)
        raise refusal(operation)

    # Read by django-ninja; a type checker has no use for a class that is made here.
    refused.__annotations__["path"] = Path[address]  # type: ignore[misc]
    own = operation.pattern.removeprefix(VAULT)
    refused.__name__ = "_".join(["refuse", operation.method.lower(), *re.findall(r"\w+", own)])
    refused.__doc__ = f"Refused: {operation.reason.subject} does not apply here."
    serve: Callable[..., Callable[..., object]] = getattr(router, operation.method.lower())
    serve(operation.pattern, response=REFUSES)(served(refused))


for _operation in OPERATIONS:
    _add(_operation)
