"""The places roles are given in: subscriptions, resource groups, vaults."""

from __future__ import annotations

from django.http import HttpRequest

from coordinator.access.services import Scope
from coordinator.api.addresses import GroupPath, SubscriptionPath, VaultPath
from coordinator.api.calls import caller_of, open_vault
from coordinator.api.paths import GROUP, SUBSCRIPTION
from coordinator.api.shapes.vaults import vault_ids

AnyPath = SubscriptionPath | GroupPath | VaultPath


def scope_of(request: HttpRequest, path: AnyPath) -> Scope:
    """The place of an address.

    Raises:
        RefusedError: It is a vault that is not there.
    """
    subscription = caller_of(request).subscription_id
    if isinstance(path, VaultPath):
        return Scope(subscription, vault=open_vault(request, path).vault)
    if isinstance(path, GroupPath):
        return Scope(subscription, path.resource_group)
    return Scope(subscription)


def scope_path(scope: Scope) -> str:
    """The place's ARM id."""
    if scope.vault is not None:
        return vault_ids(scope.vault).id
    pattern = GROUP if scope.resource_group else SUBSCRIPTION
    return pattern.format(
        subscription_id=scope.subscription_id, resource_group=scope.resource_group
    )
