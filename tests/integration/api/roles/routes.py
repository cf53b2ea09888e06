"""Every route of the API, read off what Django serves, so that a new one is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import get_resolver

VAULT = (
    "/subscriptions/<subscription_id>/resourceGroups/<resource_group>"
    "/providers/Microsoft.RecoveryServices/vaults/<vault_name>"
)


@dataclass(frozen=True, order=True)
class Route:
    """A method and an address pattern, names in angle brackets."""

    method: str
    pattern: str

    @property
    def key(self) -> str:
        """Method and what is below the vault, without names: "POST /replicationJobs/cancel"."""
        tail = self.pattern.removeprefix(VAULT)
        return f"{self.method} {re.sub(r'/(<[^>]*>|default)', '', tail)}"

    @property
    def in_vault(self) -> bool:
        return self.pattern.startswith(VAULT)

    def path(self, subscription_id: str, vault_name: str) -> str:
        """An address of the route; names it has beyond the vault's stand for nothing."""
        named = (
            self.pattern.replace("<subscription_id>", subscription_id)
            .replace("<resource_group>", "group-1")
            .replace("<vault_name>", vault_name)
        )
        return re.sub(r"<[^>]*>", "x", named)


def routes() -> Iterator[Route]:
    """Those of the API itself; signing in has doors of its own."""
    for resolver in get_resolver("coordinator.api.urls").url_patterns:
        for pattern in getattr(resolver, "url_patterns", []):
            for cell in getattr(pattern.callback, "__closure__", None) or ():
                for operation in getattr(cell.cell_contents, "operations", []):
                    for method in operation.methods:
                        yield Route(method, f"/{pattern.pattern}")


ROUTES = sorted(set(routes()))
